# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Scans at a constant rate, whatever the answers take, with their times."""
import threading
import time

import samples


class Pace:
    """with Pace(server) as p: ...; then p.between(begin, end), p.wrong."""

    def __init__(self, server, rate=40, connections=8, body=None):
        self.server = server
        self.every = connections / rate
        self.body = body or samples.text(10000)
        self.done = []  # (when it began, seconds)
        self.wrong = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(
            i * self.every / connections,)) for i in range(connections)]

    def _one(self, client, count):
        bad = count % 5 == 4
        answer = client.scan_response(samples.EICAR if bad else self.body)
        if bad and not answer.infected:
            self.wrong.append("EICAR passed")
        elif not bad and answer.status != 204:
            self.wrong.append("clean: %r" % answer)

    def _run(self, offset):
        due, count = time.monotonic() + offset, 0
        client = self.server.client(60)
        while not self.stop.is_set():
            time.sleep(max(0, due - time.monotonic()))
            # What is late counts from when it was due.
            begin, due = due, due + self.every
            try:
                self._one(client, count)
            except Exception as error:
                self.wrong.append("%s %s" % (type(error).__name__, error))
                client.close()
                client = self.server.client(60)
            self.done.append((begin, time.monotonic() - begin))
            count += 1
        client.close()

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def between(self, begin, end):
        """The seconds of those that were under way then, sorted."""
        return sorted(s for when, s in self.done
                      if when + s >= begin and when < end)


def quantile(sorted_seconds, q):
    return sorted_seconds[min(len(sorted_seconds) - 1,
                              int(len(sorted_seconds) * q))]
