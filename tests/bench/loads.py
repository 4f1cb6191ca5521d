# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The loads, one row each: what is sent, to whom, and for how long."""
import generator


class Load:
    def __init__(self, name, spec=None, peers="tolsey clamav clamd raw",
                 options=(), coding=None, connections=16, seconds=0.8,
                 count=None, size="tiny", wide=False, service=None, how=None):
        """spec: see --object (None: OPTIONS). count: requests instead of
        seconds. wide: c-icap with threads for all connections. how: further
        arguments of tolsey's server."""
        self.name, self.spec, self.coding = name, spec, coding
        self.peers = peers.split()
        self.options, self.connections = list(options), connections
        self.seconds, self.count = seconds, count
        self.size, self.wide, self.service = size, wide, service
        self.how = how or {}

    def arguments(self, scale):
        """Of the generator. scale: of the time."""
        out = ["--connections", self.connections, "--timeout", "60s"]
        out += (["--count", self.count] if self.count
                else ["--duration", generator.seconds(self.seconds * scale)])
        if self.spec is None:
            return out + ["--options"] + self.options
        if self.coding:
            out += ["--coding", self.coding]
        return out + self.options + ["--object", self.spec]

    def server_options(self, peer):
        """Of Fleet.get()."""
        if peer == "tolsey":
            return dict(self.how)
        return {"threads": 700} if self.wide else {}


NO_204 = ["--no-204", "--no-preview"]
PROTOCOL = "tolsey clamav clamd echo"


def _rows():
    yield Load("options", peers=PROTOCOL)
    yield Load("random-1k", "random:1K")
    yield Load("random-10k", "random:10K")
    yield Load("random-100k", "random:100K")
    yield Load("html-1k", "html:1K")
    yield Load("html-10k", "html:10K")
    yield Load("html-100k", "html:100K")
    yield Load("eicar", "eicar")
    yield Load("zip-1m", "zip:1M", seconds=1.5)
    yield Load("random-10m", "random:10M", connections=4, count=8)
    yield Load("random-100m", "random:100M", connections=2, count=2)
    yield Load("mix", "mix", seconds=1.5)
    for coding in ("gzip", "br", "zstd"):
        yield Load("html-10k-" + coding, "html:10K", "tolsey raw",
                   coding=coding)
        yield Load("mix-" + coding, "mix", "tolsey raw", coding=coding,
                   seconds=1.5)
    yield Load("html-1k-gzip", "html:1K", "tolsey raw", coding="gzip")
    # with and without leave to say 204
    yield Load("no204-random-1k", "random:1K", "tolsey clamav clamd",
               options=NO_204)
    yield Load("no204-random-10m", "random:10M", "tolsey clamav clamd",
               options=NO_204, connections=4, count=8)
    for size, conns, count in (("1k", 16, None), ("10m", 4, 24),
                               ("100m", 2, 4)):
        yield Load("echo-" + size, "random:" + size.upper(), "tolsey echo",
                   options=NO_204, connections=conns, count=count,
                   service="echo")
    # connections
    for conns in (1, 2, 64, 256, 1024):
        wide = conns >= 256
        peers = "tolsey clamav clamd"
        yield Load("options-c%d" % conns, None, peers, connections=conns,
                   wide=wide)
        yield Load("random-1k-c%d" % conns, "random:1K", peers,
                   connections=conns, wide=wide)
        yield Load("html-1k-c%d" % conns, "html:1K", peers, connections=conns,
                   wide=wide, seconds=1.5 if wide else 0.8)
    yield Load("close-options", None, PROTOCOL, options=["--new-connection"])
    yield Load("close-html-1k", "html:1K", "tolsey clamav clamd",
               options=["--new-connection"])
    # the same object again
    yield Load("repeat-html-10k", "html:10K", "tolsey clamav clamd",
               options=["--repeat"])
    yield Load("repeat-random-100k", "random:100K", "tolsey clamav clamd",
               options=["--repeat"])
    # two nets with workers of their own, also when one of them has nothing
    # to do (of 2 connections both may be with one)
    for name, spec in (("random-1k", "random:1K"), ("html-1k", "html:1K")):
        for conns in (2, 16):
            yield Load("nets2-%s-c%d" % (name, conns), spec, "tolsey",
                       connections=conns,
                       how={"config": "NetProcesses 2\nScanWorkers 4"})
    # many signatures
    for name, spec in (("eicar", "eicar"), ("random-1k", "random:1K"),
                       ("html-1k", "html:1K"), ("html-10k", "html:10K"),
                       ("mix", "mix")):
        yield Load("large-" + name, spec, "tolsey clamav clamd raw raw-tuned",
                   size="large", seconds=1.2)
    # the prefix scan, and what it costs
    for size in ("tiny", "large"):
        for mode in ("off", "auto"):
            yield Load("prefix-%s-%s-html-10k" % (mode, size), "html:10K",
                       "tolsey", size=size, seconds=1.0,
                       how={"config": "ScanPreview " + mode})
    yield Load("prefix-off-tiny-mix", "mix", "tolsey", seconds=1.5,
               how={"config": "ScanPreview off"})
    yield Load("prefix-off-large-mix", "mix", "tolsey", size="large",
               seconds=1.5, how={"config": "ScanPreview off"})
    yield Load("preview-32k-large-html-10k", "html:10K", "tolsey",
               options=["--preview", 32768], size="large", seconds=1.0)


ROWS = {row.name: row for row in _rows()}
