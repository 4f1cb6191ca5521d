# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What processes cost: CPU time and memory of whole trees; and the machine."""
import os
import platform
import subprocess
import threading

import tolsey

TICK_US = 1000000 // os.sysconf("SC_CLK_TCK")


def cpu_us(roots):
    """CPU time of all processes below roots, of those that have ended as
    well: whoever waited for them has it."""
    total = 0
    for pid in (p for root in roots for p in tolsey.tree(root)):
        try:
            with open("/proc/%d/stat" % pid) as f:
                words = f.read().rsplit(")", 1)[1].split()
            total += sum(int(x) for x in words[11:15])
        except OSError:
            pass
    return total * TICK_US


def pss_mb(roots):
    """Memory of all processes below roots; what they share counts once."""
    return tolsey.pss_mb(p for root in roots for p in tolsey.tree(root))


class Peak:
    """The largest sum of PSS while it is entered."""

    def __init__(self, roots):
        self.roots, self.most = roots, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.stop.wait(0.05):
            self.most = max(self.most, pss_mb(self.roots))

    def __enter__(self):
        self.most = pss_mb(self.roots)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def first_line(*argv):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20)
    except OSError:
        return "not installed"
    if done.returncode != 0:
        return "unknown"
    return ((done.stdout or done.stderr).splitlines() or [""])[0].strip()


def package(name):
    return first_line("dpkg-query", "-W", "-f", "${Version}", name)


def _file(path, begin):
    with open(path) as f:
        for line in f:
            if line.startswith(begin):
                return line.split(":", 1)[1].strip()
    return "unknown"


def machine():
    """What a reader has to know to compare."""
    return {
        "cpu": _file("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": _file("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "system": first_line("sh", "-c", ". /etc/os-release; "
                             "echo $PRETTY_NAME"),
    }


def versions(programs):
    return {
        "tolsey": first_line(os.path.join(programs, "tolseyd"), "-V"),
        "revision": first_line("git", "-C", os.path.dirname(__file__),
                               "describe", "--always", "--dirty"),
        "libclamav": package("libclamav12"),
        "c-icap": package("c-icap"),
        "virus_scan": package("libc-icap-mod-virus-scan"),
        "clamd": package("clamav-daemon"),
    }
