# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Runs the load generator and libclamav alone, and gives what they measured as
flat rows: one name, one number."""
import json
import os
import re
import select
import subprocess
import tempfile

import gauge

# A generator that says nothing for so long is stuck.
PATIENCE = 180


def reports(text):
    """What the sanitizers have written into it, and of asserts."""
    return [line.strip() for line in text.splitlines() if re.search(
        "(Address|Leak|UndefinedBehavior)Sanitizer:|: runtime error: |"
        "Assertion .* failed", line)]


def _line(process, what):
    ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        process.wait()
        raise RuntimeError("%s: no answer%s" % (what, _said(process.errors)))
    return line


def _said(errors):
    """The end of what a program has written to its standard error."""
    errors.seek(0)
    text = errors.read().strip()
    return ": " + text[-2000:] if text else ""


class Run:
    """One load on one server, in its three steps; or at once: run(). A client
    that keeps a pace goes first, as if it was on another machine: what it
    waits for the processor would else count as the server's."""

    def __init__(self, build, target, options, roots):
        first = "--rate" in options and os.getuid() == 0
        self.roots = roots
        errors = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            [os.path.join(build, "src", "tolsey-client"), "--bench", "--json",
             "--gate", "-u", target] + [str(x) for x in options], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, bufsize=1, start_new_session=True,
            preexec_fn=(lambda: os.nice(-10)) if first else None)
        self.process.errors = errors
        self._expect("ready")

    def _expect(self, word):
        line = _line(self.process, word).strip()
        if line != word:
            raise RuntimeError("%r instead of %s" % (line, word))

    def begin(self):
        self.cpu = gauge.cpu_us(self.roots)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self

    def end(self, memory=False):
        self._expect("done")
        cpu = gauge.cpu_us(self.roots) - self.cpu
        pss = gauge.pss_mb(self.roots) if memory else None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        raw = json.loads(_line(self.process, "result"))
        self.process.stdin.close()
        # 2: an answer was wrong, which the row says
        if self.process.wait(PATIENCE) not in (0, 2):
            raise RuntimeError("the client ended with %d%s" % (
                self.process.returncode, _said(self.process.errors)))
        self.process.errors.close()
        return flat(raw, cpu, pss)


def seconds(value):
    """As an option of the client."""
    return "%dms" % round(value * 1000)


def run(build, server, options, memory=False):
    return Run(build, server.target, options, server.roots).begin().end(
        memory)


def flat(raw, cpu, pss):
    answers = max(1, raw["answers"])
    took = max(1, raw["elapsed_us"]) / 1e6
    row = {
        "answers": raw["answers"],
        "per_s": raw["answers"] / took,
        "mb_s": raw["object_bytes"] / took / 1e6,
        "cpu_us": cpu / answers,
        "cpu_us_per_mb": cpu / max(1e-6, raw["object_bytes"] / 1e6),
        "errors": sum(raw["faults"].values()),
        "unanswered": raw["requests"] - raw["answers"],
        "silence_ms": raw["longest_silence_us"] / 1e3,
        "gap_ms": raw["longest_gap_us"] / 1e3,
        "unsent_mb": raw["unsent_bytes"] / 1e6,
        "idle_answered": raw["idle_answered"],
        "idle_alive": raw["idle_alive"],
        "client_cpu_us": raw["cpu_us"] / answers,
        "faults": {k: v for k, v in raw["faults"].items() if v},
    }
    for name in ("p50", "p99", "p99.9", "max"):
        row[name + "_ms"] = raw["latency_us"][name] / 1e3
    row["first_byte_ms"] = raw["first_byte_us"]["max"] / 1e3
    row["first_body_ms"] = raw["first_body_us"]["max"] / 1e3
    if pss is not None:
        row["pss_mb"] = pss
    return row


# As the workers have it (src/scan/worker.c): large blocks are kept.
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20),
         "MALLOC_TRIM_THRESHOLD_": str(512 << 20)}


class Raw:
    """libclamav alone with a set of signatures, kept loaded. tuned: malloc as
    tolsey's workers set it."""

    def __init__(self, build, database, temp, tuned=False):
        errors = tempfile.TemporaryFile("w+", errors="replace")
        self.process = subprocess.Popen(
            [os.path.join(build, "tests", "bench", "rawscan"), "-t", temp,
             database], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=errors, bufsize=1,
            start_new_session=True, env=dict(os.environ, **(TUNED if tuned else {})))
        self.process.errors = errors
        if _line(self.process, "rawscan").strip() != "ready":
            raise RuntimeError("rawscan does not load " + database)
        self.pss_mb = gauge.pss_mb([self.process.pid])

    def run(self, spec, coding="identity", prefix=0, processes=2, seconds=1.0):
        self.process.stdin.write("%s %s %d %d %s\n" % (
            spec, coding, prefix, processes, seconds))
        self.process.stdin.flush()
        raw = json.loads(_line(self.process, "rawscan"))
        took = raw["elapsed_us"] / 1e6
        return {"answers": raw["scans"], "per_s": raw["scans"] / took,
                "mb_s": raw["bytes"] / took / 1e6, "cpu_us": raw["scan_us"],
                "decode_us": raw["decode_us"], "errors": 0, "faults": {}}

    def close(self):
        """Also one that a signal has ended, or that is busy."""
        try:
            self.process.stdin.close()
            self.process.wait(3)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
