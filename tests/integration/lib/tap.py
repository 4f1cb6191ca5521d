# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Cases of a test file: functions marked @case(), run in their order.

Every case prints "ok NAME" or "not ok NAME"; a case that this machine cannot
run prints "skip NAME: reason". Things that are shared by the cases of a file
(a server, a Squid) are made by shared() and closed at the end; what they find
wrong when they close counts as a case of its own.
"""
import functools
import os
import signal
import sys
import time
import traceback

_cases = []
_shared = []
_stem = os.path.basename(sys.argv[0]).split(".")[0]


class Skip(Exception):
    pass


class Late(BaseException):
    """Not an Exception: a case's own "except Exception" must not catch it."""


def case(timeout=60):
    def mark(function):
        _cases.append((function.__name__.replace("_", "-"), function, timeout))
        return function
    return mark


def not_through_cicap(reason):
    """Under @case(), or around the function of add_case(): what c-icap itself
    decides is no case where it stands in front (ICAP_CICAP=1)."""
    def mark(function):
        @functools.wraps(function)
        def run():
            if os.environ.get("ICAP_CICAP") == "1":
                skip("not through c-icap: " + reason)
            function()
        return run
    return mark


def add_case(name, function, timeout=60):
    _cases.append((name, function, timeout))


def only():
    """The cases that were named, [] for all."""
    return sys.argv[1:]


def skip(reason):
    raise Skip(reason)


def shared(make):
    """A function that makes the thing when it is first called."""
    made = []

    def get():
        if not made:
            thing = make()
            made.append(thing)
            _shared.append(thing)
        return made[0]
    return get


def note(text):
    print("# " + text, flush=True)


def eq(got, want, what="value"):
    if got != want:
        raise AssertionError(
            "%s: %s instead of %s" % (what, _short(got), _short(want)))


def check(truth, text):
    if not truth:
        raise AssertionError(text)


def wait_for(question, timeout, text, pause=0.05):
    """Asks until the answer is true; returns it."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError("%s (waited %g s)" % (text, timeout))
        time.sleep(pause)


def _short(value):
    text = repr(value)
    return text if len(text) <= 400 else text[:300] + " ... " + text[-80:]


def _on_alarm(_number, _frame):
    raise Late()


def _run_one(name, function, timeout):
    full = "%s/%s" % (_stem, name)
    start = time.monotonic()
    signal.alarm(timeout)
    try:
        function()
        signal.alarm(0)
    except Skip as reason:
        signal.alarm(0)
        print("skip %s: %s" % (full, reason), flush=True)
        return True
    except Late:
        print("not ok %s" % full)
        note("no end after %d s" % timeout)
        note("".join(traceback.format_exc()[-1500:]).replace("\n", "\n# "))
        return False
    except Exception as error:
        signal.alarm(0)
        print("not ok %s" % full)
        note("%s: %s" % (type(error).__name__, error))
        frames = traceback.extract_tb(error.__traceback__)
        for frame in frames[-4:]:
            note("  %s:%d %s" % (os.path.basename(frame.filename),
                                 frame.lineno, frame.line))
        return False
    print("ok %s (%.1f s)" % (full, time.monotonic() - start), flush=True)
    return True


def _close_all():
    good = True
    for thing in reversed(_shared):
        name = getattr(thing, "name", type(thing).__name__)
        good &= _run_one("end-of-" + name, thing.close, 60)
    _shared.clear()
    return good


def main():
    wanted = sys.argv[1:]
    signal.signal(signal.SIGALRM, _on_alarm)
    signal.signal(signal.SIGTERM, lambda n, f: sys.exit(3))
    good = True
    try:
        for name, function, timeout in _cases:
            if not wanted or name in wanted:
                good &= _run_one(name, function, timeout)
    finally:
        good &= _close_all()
    sys.exit(0 if good else 1)
