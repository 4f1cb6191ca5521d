# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What is more than one load on one server: idle connections, heavy objects
beside small ones, a reload, slow uploads, infected downloads. Each is a
function (bench, round) that gives {peer: {name: number}}."""
import resource
import statistics
import time

import gauge
import generator
import skew

IDLE = 10000  # where so many descriptors may be opened
SMALL = ["--object", "html:1K", "--connections", 64, "--rate", 50]
HEAVY_CPU_S = 3.0
RELOAD = ["--object", "html:10K", "--connections", 200, "--rate", 40]
TRICKLE = ("TrickleAfter 100ms\nTrickleInterval 500ms\nTrickleMax 4K")


def peers(bench, names, **how):
    """(name, a server of its own) of those that are installed."""
    for name in names:
        if not bench.due(name):
            continue
        key = dict(how.get(name, {}))
        size = key.pop("size", "tiny")
        server = bench.fleet.get(name, size, **key)
        if server is None:
            continue
        try:
            yield name, server
        finally:
            bench.fleet.drop(name, size, **key)
            if name == "clamd":
                bench.fleet.drop_clamd(size)


def idle(bench, _round):
    """Idle connections beside 16 active ones; and what one costs."""
    out = {}
    many = min(IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
    active = ["--object", "html:1K", "--duration",
              generator.seconds(1.5 * bench.scale)]
    how = {"tolsey": {"config": "# idle"}, "clamav": {"threads": 5500}}
    for name, server in peers(bench, ("tolsey", "clamav"), **how):
        bench.run(server, active)
        alone, full = [], []
        for _ in range(3):  # in turn
            alone.append(bench.run(server, active, memory=True))
            full.append(bench.run(server, active + ["--idle", many],
                                  memory=True))
        out[name] = dict(full[0])
        out[name]["alone_per_s"] = statistics.median(
            r["per_s"] for r in alone)
        out[name]["slower"] = 1 - statistics.median(
            b["per_s"] / a["per_s"] for a, b in zip(alone, full))
        out[name]["kib_each"] = (
            (full[0]["pss_mb"] - alone[0]["pss_mb"]) * 1024 / many)
        out[name]["lost"] = max(many - r["idle_alive"] for r in full)
        out[name]["idle"] = many
    return out


def heavy_size(bench):
    """MB, unpacked, of an archive that costs libclamav 3 s of CPU."""
    probe = bench.raw("tiny").run("heavy:16M", processes=1, seconds=0.1)
    return max(1, round(16 * HEAVY_CPU_S * 1e6 / probe["cpu_us"]))


def _heavy(bench, many):
    out = {}
    spec = "heavy:%dM" % heavy_size(bench)
    how = {"tolsey": {"config": "# heavy %d" % many},
           "clamav": {"threads": 63}, "clamd": {"threads": 63}}
    for name, server in peers(bench, ("tolsey", "clamav", "clamd"), **how):
        alone = bench.run(server, SMALL + ["--duration", "2s"])
        heavy = generator.Run(bench.build, server.target,
                              ["--object", spec, "--connections", many,
                               "--count", many, "--timeout", "120s"], server.roots)
        heavy.begin()
        try:
            time.sleep(0.7)
            row = bench.run(server, SMALL + ["--duration", "7s",
                                             "--timeout", "5s"])
        finally:
            # those that it asked for are given up
            heavy.process.kill()
            heavy.process.wait()
        row["alone_p50_ms"], row["alone_p99_ms"] = (alone["p50_ms"],
                                                    alone["p99_ms"])
        out[name] = row
    return out


def heavy8(bench, _round):
    """8 heavy objects beside small ones at 50/s."""
    return _heavy(bench, 8)


def heavy16(bench, _round):
    """16 heavy objects beside small ones at 50/s."""
    return _heavy(bench, 16)


def _during_reload(bench, server):
    load = generator.Run(bench.build, server.target,
                         RELOAD + ["--duration", "7s"], server.roots)
    load.begin()
    time.sleep(0.5)
    server.reload()
    return load.end(memory=True)


def reload(bench, _round):
    """New signatures (large set) while objects come at 40/s; and memory."""
    out = {}
    engine = bench.raw("large").pss_mb
    how = {name: {"size": "large"} for name in ("tolsey", "clamav", "clamd")}
    how["tolsey"]["config"] = "# reload"
    how["clamav"]["threads"] = how["clamd"]["threads"] = 128
    for name, server in peers(bench, ("tolsey", "clamd", "clamav"), **how):
        bench.run(server, RELOAD + ["--duration", "1s"])
        before = bench.run(server, RELOAD + ["--duration", "3s"], memory=True)
        row = _during_reload(bench, server)
        # Once more: adding up PSS walks through the memory of each process
        # and keeps it from changing its own for milliseconds.
        with gauge.Peak(server.roots) as peak:
            _during_reload(bench, server)
        row["idle_silence_ms"] = before["silence_ms"]
        row["added_silence_ms"] = row["silence_ms"] - before["silence_ms"]
        row["before_pss_mb"], row["peak_pss_mb"] = (before["pss_mb"],
                                                    peak.most)
        row["engine_mb"] = engine
        if name == "tolsey":
            row["workers"] = len(server.scan_workers())
            allowed = 16 + 15 * row["workers"]
            row["above_engine_mb"] = before["pss_mb"] - engine - allowed
            row["above_engines_mb"] = peak.most - 2 * engine - allowed
        out[name] = row
    return out


def trickle(bench, _round):
    """100 MB that come at 10 MB/s, to a client that has to get them back."""
    out = {}
    how = {"tolsey": {"config": TRICKLE}, "clamav": {"progress": True}}
    load = ["--object", "random:100M", "--connections", 1, "--count", 1,
            "--upload-rate", 10000000, "--no-204", "--preview", 1024]
    for name, server in peers(bench, ("tolsey", "clamav"), **how):
        out[name] = bench.run(server, load)
    return out


def infected(bench, _round):
    """100 MB that are infected in their first KB: when they are refused, and
    how much of them was sent."""
    out = {}
    load = ["--object", "infected:100M", "--connections", 1, "--count", 3]
    for label, name, config in (
            ("tolsey", "tolsey", "# infected"),
            ("tolsey, ScanPreview off", "tolsey", "ScanPreview off\n# i"),
            ("clamav", "clamav", None)):
        how = {name: {"config": config} if config else {"threads": 62}}
        if not bench.due(label):
            continue
        for _, server in peers(bench, (name,), **how):
            out[label] = bench.run(server, load)
            out[label]["unsent_part"] = out[label]["unsent_mb"] / (
                out[label]["answers"] * 104.8576)
    return out


# whom each is done on, to foresee its time
PEERS = {"idle": ("tolsey", "clamav"), "trickle": ("tolsey", "clamav"),
         "heavy-8": ("tolsey", "clamav", "clamd"),
         "heavy-16": ("tolsey", "clamav", "clamd"),
         "reload": ("tolsey", "clamav", "clamd"),
         "infected-100m": ("tolsey", "tolsey", "clamav"),
         "skew": ("tolsey",) * 16, "net-limit": ("tolsey",) * 5}
ROWS = {"idle": idle, "heavy-8": heavy8, "heavy-16": heavy16,
        "reload": reload, "trickle": trickle, "infected-100m": infected,
        "skew": skew.skew, "net-limit": skew.net_limit}
