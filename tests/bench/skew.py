# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Two nets with workers of their own, when connections do not land evenly; and
what one net can do at most. Connections are placed: while one net is stopped,
the other one accepts."""
import contextlib
import os
import signal
import time

import generator
import tolsey
from tap import wait_for

LOADS = {"html": ["--object", "html:1K"], "mix": ["--object", "mix"]}
# connections of the one and of the other net; None: there is one net, which
# has all workers
PLACES = {"one net": None, "8 and 8": (8, 8), "12 and 4": (12, 4),
          "16 and 0": (16, 0)}
# workers in all: one for each core, as two nets of a machine with many have it
# when half of them is idle; and as it is by default, where fewer are enough to
# keep both cores busy
WORKERS = (2, 4)


def sockets(pid):
    return sum(x.startswith("socket:") for x in tolsey.fds(pid).values())


def settled(pid):
    before = sockets(pid)
    time.sleep(0.05)
    return before == sockets(pid) and before


@contextlib.contextmanager
def alone(nets, one):
    """The others do not accept meanwhile."""
    others = [pid for pid in nets if pid != one]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def placed(bench, server, options, places):
    """Clients that are connected, each to one net, and wait."""
    out, nets = [], server.nets()
    for net, many in zip(nets, places):
        if not many:
            continue
        # those of the last load have gone
        before = wait_for(lambda: settled(net), 5, "net does not settle")
        with alone(nets, net):
            out.append(generator.Run(
                bench.build, server.target,
                options + ["--connections", many], server.roots))
            wait_for(lambda: sockets(net) - before >= many, 5,
                     "%d connections are not with net %d" % (many, net))
    return out


def together(clients):
    """One row of several clients that run at the same time. CPU counts from
    the first that begins to the last that ends."""
    for client in clients:
        client.begin()
    rows = [client.end() for client in clients]
    out = dict(rows[0])
    for name in ("answers", "per_s", "mb_s", "errors", "unanswered"):
        out[name] = sum(r[name] for r in rows)
    for name in ("p99_ms", "p99.9_ms", "max_ms", "silence_ms"):
        out[name] = max(r[name] for r in rows)
    out["p50_ms"] = sum(r["p50_ms"] * r["answers"] for r in rows) / max(
        1, out["answers"])
    out["cpu_us"] = max(r["cpu_us"] * r["answers"] for r in rows) / max(
        1, out["answers"])
    return out


def skew(bench, _round):
    """16 connections on one net, and on two that have half of the workers."""
    out = {}
    for workers in WORKERS:
        servers = {}
        for nets in (1, 2):
            servers[nets] = bench.fleet.get(
                "tolsey", config="NetProcesses %d\n# skew" % nets,
                workers=workers)
        for load, options in LOADS.items():
            options = options + ["--duration",
                                 generator.seconds(bench.scale)]
            for place, many in PLACES.items():
                label = "%s, %d workers, %s" % (load, workers, place)
                if bench.due(label):
                    out[label] = together(placed(
                        bench, servers[2 if many else 1], options,
                        many or (16,)))
        for nets in servers:
            bench.fleet.drop("tolsey", config="NetProcesses %d\n# skew" % nets,
                             workers=workers)
    return out


def net_limit(bench, _round):
    """How much of one net's time an answer takes, where it does all of it
    (echo, answers of the cache), from two clients; a core is full at the
    inverse of it."""
    out = {}
    server = bench.fleet.get("tolsey", config="# limit")
    for label, options, service in (
            ("OPTIONS", ["--options"], "avscan"),
            ("echo 1 KB", ["--object", "random:1K", "--no-204",
                           "--no-preview"], "echo"),
            ("cache hit 1 KB", ["--object", "html:1K", "--repeat"], "avscan"),
            ("cache hit 10 KB", ["--object", "html:10K", "--repeat"],
             "avscan"),
            ("random 1 KB", ["--object", "random:1K"], "avscan")):
        if not bench.due(label):
            continue
        net = server.nets()
        clients = [generator.Run(
            bench.build, server.target.replace("avscan", service),
            options + ["--connections", 16, "--duration",
                       generator.seconds(bench.scale)], net)
            for _ in range(2)]
        out[label] = together(clients)
        out[label]["full_per_s"] = 1e6 / max(1e-6, out[label]["cpu_us"])
    bench.fleet.drop("tolsey", config="# limit")
    return out
