#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Many transactions at once, also while workers are killed: none is lost."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import random

import threading
import time


import samples
import tolsey
from icap import chunked, respmod
from tap import case, check, eq, main, note, wait_for

if tolsey.REFERENCE:
    print("skip load: not for the reference server")
    sys.exit(0)

CLEAN = [b"a clean object", samples.text(5000), samples.filler(60000),
         samples.gzipped(samples.text(30000)), samples.filler(300000),
         samples.gzipped(bytes(8000000))]
BAD = [samples.EICAR, samples.MARKER + b"...", samples.text(9000) +
       samples.MARKER, samples.zipped(samples.EICAR)]


def once(body, number):
    """The same, but another object: one that has ended two workers is
    answered from memory, and here it is the killer who ends them."""
    if body.startswith(b"PK"):
        return samples.zipped(samples.EICAR, "number-%d.bin" % number)
    return body + b" number %d" % number


def many(server, connections, each, seed=1):
    """What the answers were: "right", "failed" (by policy) or the fault."""
    counts = {}
    lock = threading.Lock()

    def work(number):
        dice = random.Random(seed * 1000 + number)
        client = server.client(60)
        for i in range(each):
            bad = dice.random() < 0.4
            body = once(dice.choice(BAD if bad else CLEAN),
                        (seed * 1000 + number) * 1000 + i)
            preview = dice.choice([None, 0, 4096])
            allow = dice.choice([None, "204"])
            try:
                answer = client.scan_response(body, preview=preview,
                                              allow=allow)
                if bad and answer.infected:
                    word = "right"
                elif not bad and (answer.status == 204 or (
                        answer.status == 200 and answer.body == body)):
                    word = "right"
                elif (answer.blocked and not answer.infected and
                      answer.http_line[9:12] in (b"403", b"503")):
                    word = "failed"
                else:
                    word = "%s as %r" % ("bad" if bad else "clean", answer)
            except Exception as error:
                word = "%s %s" % (type(error).__name__, error)
                client.close()
                client = server.client(60)
            with lock:
                counts[word] = counts.get(word, 0) + 1
        client.close()
    threads = [threading.Thread(target=work, args=(i,))
               for i in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return counts


def counted(server, want):
    """The outcomes, once so many are counted: an answer is read before the
    end of its transaction is."""
    def outcomes():
        return {k: v for k, v in server.metrics().items()
                if k.startswith("tolsey_outcomes_total")}
    wait_for(lambda: sum(outcomes().values()) == want, 5,
             "outcomes: %r" % outcomes())
    return outcomes()


@case(timeout=120)
def thousand_transactions():
    s = tolsey.Tolsey()
    try:
        start = time.monotonic()
        counts = many(s, 50, 20)
        note("%r in %.1f s" % (counts, time.monotonic() - start))
        eq(counts, {"right": 1000}, "answers")
        counted(s, 1000)
    finally:
        s.close()


@case(timeout=180)
def thousand_transactions_while_workers_die():
    s = tolsey.Tolsey(workers=3)
    stop = threading.Event()
    killed = []

    def killer():
        dice = random.Random(7)
        while not stop.is_set():
            workers = s.scan_workers()
            if workers:
                try:
                    s.kill(dice.choice(workers))
                    killed.append(1)
                except (AssertionError, ProcessLookupError):
                    pass
            stop.wait(0.02)
    thread = threading.Thread(target=killer)
    try:
        thread.start()
        counts = many(s, 50, 20, 2)
        stop.set()
        thread.join()
        note("%r, %d workers killed" % (counts, len(killed)))
        check(set(counts) <= {"right", "failed"}, "answers %r" % counts)
        eq(sum(counts.values()), 1000, "answers in all")
        check(killed, "no worker was killed")
        outcomes = counted(s, 1000)
        failed = sum(v for k, v in outcomes.items()
                     if 'outcome="failed"' in k or 'outcome="overload"' in k)
        eq(failed, counts.get("failed", 0), "failed ones in the metrics")
        wait_for(lambda: len(s.scan_workers()) >= 3, 10, "three workers")
        eq(many(s, 10, 10, 3), {"right": 100}, "answers afterwards")
    finally:
        stop.set()
        s.close()


@case(timeout=120)
def two_nets_answer_alike():
    s = tolsey.Tolsey("NetProcesses 2", workers=4)
    try:
        eq(len(s.nets()), 2, "nets")
        eq(many(s, 40, 10, 4), {"right": 400}, "answers")
        with s.client() as a, s.client() as b:
            eq(a.options().headers["ISTag"], b.options().headers["ISTag"],
               "ISTag")
        s.kill(s.nets()[0])
        wait_for(lambda: len(s.nets()) == 2, 10, "two nets")
        s.wait_ready()
        time.sleep(0.5)
        eq(many(s, 20, 10, 5), {"right": 200}, "answers afterwards")
    finally:
        s.close()


@case(timeout=200)
def slow_bodies_stay_within_their_memory():
    """100 clients send 3 MB each at 300 KB/s into 32 MB of spool memory,
    while small objects go on quickly."""
    s = tolsey.Tolsey("SpoolMemory 32M\nQueueTimeout 60s\nBodyTimeout 60s")
    body = samples.filler(3000000)
    done, most, bad, small = [], [0], [], []
    stop = threading.Event()

    def slow():
        try:
            with s.client(120) as c:
                c.sock.settimeout(120)
                c.send(respmod(allow="204"))
                for i in range(0, len(body), 30000):
                    c.send(chunked(body[i:i + 30000], last=b""))
                    time.sleep(0.1)
                c.send(b"0\r\n\r\n")
                done.append(c.read().status)
        except Exception as error:
            bad.append("%s %s" % (type(error).__name__, error))

    def quick():
        with s.client(60) as c:
            while not stop.is_set():
                start = time.monotonic()
                if c.scan_response(b"a small page").status != 204:
                    bad.append("small")
                small.append(time.monotonic() - start)
                time.sleep(0.005)

    def watch():
        while not stop.is_set():
            most[0] = max(most[0], s.metric("spool_memory_bytes"))
            time.sleep(0.2)
    try:
        threads = [threading.Thread(target=slow) for _ in range(100)]
        others = [threading.Thread(target=f) for f in (quick, watch)]
        for t in threads + others:
            t.start()
        for t in threads:
            t.join()
        stop.set()
        for t in others:
            t.join()
        small.sort()
        note("most in memory %.1f MB; small: p50 %.1f ms, p99 %.1f ms" % (
            most[0] / 1e6, small[len(small) // 2] * 1e3,
            small[len(small) * 99 // 100] * 1e3))
        eq(bad, [], "faults")
        eq(done, [204] * 100, "answers")
        check(most[0] <= 32 << 20, "%d bytes in memory" % most[0])
        # The interpreter that measures is busy too: a generous bound.
        check(small[len(small) * 99 // 100] < 0.25, "p99 of small objects")
    finally:
        stop.set()
        s.close()


main()
