#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What "make bench" keeps: in parts, when it is stopped, when something ends
that it measures; and merge.py."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lib"), os.path.join(HERE, "..", "bench")]

import json
import shutil
import signal
import subprocess
import tempfile

import plan
import results
import targets
import tolsey
from tap import case, check, eq, main, shared, wait_for

if tolsey.REFERENCE:
    print("skip bench-results: not for the reference server")
    sys.exit(0)

BENCH = os.path.join(HERE, "..", "bench")


class Folder:
    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="tolsey-test-")

    def close(self):
        shutil.rmtree(self.path)


folder = shared(Folder)


def path(name):
    return os.path.join(folder().path, name)


def begin(loads, kept, rounds):
    # the programs' own choice, and a large set that is not generated
    env = dict(os.environ, LOADS=loads, PEERS="tolsey", ROUNDS=str(rounds),
               SCALE="0.1", RESULTS=kept, DATABASE=folder().path,
               TOLSEY_BUILD=tolsey.find_build())
    for name in ("BENCH", "PART"):
        env.pop(name, None)
    return subprocess.Popen(
        [sys.executable, os.path.join(BENCH, "bench.py")], env=env, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE)


def end(process, code):
    out, err = process.communicate(timeout=60)
    eq(process.returncode, code, err[-1500:])
    return out, err


def merge(*argv):
    return subprocess.run(
        [sys.executable, os.path.join(BENCH, "merge.py")] + list(argv),
        capture_output=True, text=True, timeout=30)


def rounds(kept, load):
    return [r["round"] for r in results.load(kept).results.rounds(
        load, "tolsey")]


@case()
def parts_become_one_result():
    kept = path("parts.json")
    out, _ = end(begin("options", kept, 1), 0)
    check("\noptions " in out and "options: CPU" in out, out)
    out, err = end(begin("eicar options", kept, 2), 0)
    check("1 of 2: options" in err and "left" in err, err)
    check("\neicar " in out and "\noptions " in out, out)
    eq(rounds(kept, "options"), [0, 1, 2])
    eq(rounds(kept, "eicar"), [0, 1])
    with open(path("parts.txt")) as f:
        check(f.read() in out, "the text is not what was printed")


@case()
def merged_are_runs_that_were_measured_alike():
    for load in ("options", "eicar"):
        end(begin(load, path(load + ".json"), 1), 0)
    names = [path("options.json"), path("eicar.json")]
    done = merge("-o", path("whole"), *names, names[1])
    eq(done.returncode, 0, done.stderr)
    check("eicar: CPU " in done.stdout and "options: CPU" in done.stdout,
          done.stdout)
    eq(rounds(path("whole.json"), "eicar"), [0, 1])
    done = subprocess.run([sys.executable, os.path.join(BENCH, "markdown.py"),
                           path("whole.json")], capture_output=True, text=True)
    check("| eicar | " in done.stdout, done.stdout + done.stderr)
    with open(names[1]) as f:
        other = json.load(f)
    other["about"]["revision"] = "another"
    with open(path("other.json"), "w") as f:
        json.dump(other, f)
    done = merge(names[0], path("other.json"))
    check(done.returncode == 1 and "revision" in done.stderr, done.stderr)


def stopped(number):
    kept = path("stopped-%d.json" % number)
    process = begin("options random-1k", kept, 40)
    wait_for(lambda: os.path.exists(kept), 40, "nothing is kept")
    servers = tolsey.tree(process.pid)[1:]
    wait_for(lambda: "tolsey-client" in map(tolsey.program, tolsey.tree(
        process.pid)), 10, "no second load")
    process.send_signal(number)
    out, _ = end(process, 1)
    check("WENT WRONG stopped: by " + signal.Signals(number).name in out, out)
    check("options: CPU" in out, out)
    eq(len(rounds(kept, "options")), 40)
    check(len(servers) > 4, servers)
    wait_for(lambda: not any(map(tolsey.alive, servers)), 5,
             "processes are left")


@case()
def stopped_by_term_it_has_what_was_measured():
    stopped(signal.SIGTERM)


@case()
def stopped_by_int_it_has_what_was_measured():
    stopped(signal.SIGINT)


def disturbed(name, what):
    """Does what(process of tolseyd) in the middle; gives what is said."""
    process = begin("random-1k", path(name + ".json"), 20)
    found = wait_for(lambda: [p for p in tolsey.tree(process.pid) if
                              tolsey.program(p) == "tolsey-client"], 40,
                     "nothing is measured")
    check(found, found)
    parent = [p for p in tolsey.tree(process.pid)
              if tolsey.program(p) == "tolseyd"][0]
    what(parent)
    return end(process, 1)[0]


@case()
def process_that_ends_is_told():
    def kill(parent):
        os.kill([p for p in tolsey.tree(parent) if
                 tolsey.program(p) == "tolsey-ctl"][0], signal.SIGKILL)
    out = disturbed("killed", kill)
    check("child_restarts_total" in out, out[-2000:])


@case()
def report_of_a_sanitizer_is_told():
    def write(parent):
        with open("/proc/%d/fd/2" % parent, "a") as f:
            f.write("x.c:1:2: runtime error: as UBSan says it\n")
    out = disturbed("reported", write)
    check("WENT WRONG random-1k: tolsey: x.c:1:2: runtime error" in out,
          out[-2000:])


@case()
def every_target_says_what_it_needs():
    asked = plan.Plan(["mix"], 9).asked
    for pair in (("random-1k", "clamd"), ("coded-mix", "raw+br"),
                 ("no204-random-10m", "tolsey"), ("html-1k", "raw")):
        check(pair in asked, "%r" % (pair,))
    eq([t.text for t in targets.ROWS if not t.asks()],
       ["no errors in any load"])


@case()
def parts_have_each_load_once_and_keep_together_what_is_compared():
    names = list(plan.loads.ROWS) + list(plan.trials.ROWS)
    whole = plan.Plan(names, 9)
    for n in (1, 2, 5, 9):
        cut = [whole.part(i + 1, n) for i in range(n)]
        eq(sum(cut, []), names)
        for t in targets.ROWS:
            eq(sum(bool({x for x, _ in t.asks()} & set(p)) for p in cut),
               1 if t.asks() else 0, t.text)


main()
