# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The loads, one row each: what is sent, to whom, and for how long."""
import generator


# What may stand behind a peer's name and a "+": the same load in another way,
# measured in turn with it. options of the client, coding of the objects, how:
# further arguments of tolsey's server.
VARIANTS = {
    "": {},
    "off": {"how": {"config": "ScanPreview off"}},
    "auto": {"how": {"config": "ScanPreview auto"}},
    # a smaller preview than the default's
    "4k": {"options": ["--preview", 4096]},
    "2nets": {"how": {"config": "NetProcesses 2\nScanWorkers 4"}},
    "gzip": {"coding": "gzip"},
    "br": {"coding": "br"},
    "zstd": {"coding": "zstd"},
}


def split(peer):
    """Its name and its variant."""
    name, _, variant = peer.partition("+")
    return name, VARIANTS[variant]


class Load:
    def __init__(self, name, spec=None, peers="tolsey clamav clamd raw",
                 options=(), connections=16, seconds=0.8, count=None,
                 size="tiny", wide=False, service=None):
        """spec: see --object (None: OPTIONS). count: requests instead of
        seconds. wide: c-icap with threads for all connections."""
        self.name, self.spec = name, spec
        self.peers = peers.split()
        self.options, self.connections = list(options), connections
        self.seconds, self.count = seconds, count
        self.size, self.wide, self.service = size, wide, service

    def arguments(self, scale, peer):
        """Of the generator. scale: of the time."""
        variant = split(peer)[1]
        out = ["--connections", self.connections, "--timeout", "60s"]
        out += (["--count", self.count] if self.count
                else ["--duration", generator.seconds(self.seconds * scale)])
        out += self.options + variant.get("options", [])
        if self.spec is None:
            return out + ["--options"]
        if "coding" in variant:
            out += ["--coding", variant["coding"]]
        return out + ["--object", self.spec]

    def server_options(self, peer):
        """Of Fleet.get()."""
        name, variant = split(peer)
        if name == "tolsey":
            return dict(variant.get("how", {}))
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
    coded = " ".join(peer + variant for variant in ("", "+gzip", "+br", "+zstd")
                     for peer in ("tolsey", "raw"))
    yield Load("coded-html-10k", "html:10K", coded)
    yield Load("coded-mix", "mix", coded, seconds=1.2)
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
    for conns in (2, 16):
        yield Load("nets-html-1k-c%d" % conns, "html:1K",
                   "tolsey tolsey+2nets", connections=conns)
    # many signatures
    for name, spec in (("eicar", "eicar"), ("random-1k", "random:1K"),
                       ("html-1k", "html:1K"), ("html-10k", "html:10K"),
                       ("mix", "mix")):
        yield Load("large-" + name, spec, "tolsey clamav clamd raw raw-tuned",
                   size="large", seconds=1.2)
    # the prefix scan, and what it costs
    for size, name in (
            ("tiny", "random-10k"), ("tiny", "html-10k"),
            ("tiny", "text-10k"), ("tiny", "random-40k"), ("tiny", "mix"),
            ("large", "random-10k"), ("large", "html-10k"), ("large", "mix")):
        spec = name.replace("k", "K").replace("-", ":")
        yield Load("prefix-%s-%s" % (size, name), spec,
                   "tolsey tolsey+off tolsey+auto tolsey+4k", size=size)


ROWS = {row.name: row for row in _rows()}
