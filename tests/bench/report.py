# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The results as text."""
import statistics

import trials as trial_rows

# heading, name in a row, how it is printed
COLUMNS = (("answers/s", "per_s", "%.0f"), ("MB/s", "mb_s", "%.1f"),
           ("CPU us", "cpu_us", "%.1f"), (None, None, None),
           ("p50 ms", "p50_ms", "%.2f"), ("p99", "p99_ms", "%.2f"),
           ("p99.9", "p99.9_ms", "%.2f"), ("max", "max_ms", "%.1f"),
           ("PSS MB", "pss_mb", "%.0f"), ("errors", "errors", "%.0f"))
# What trials measure beside that.
FURTHER = (("idle", "%d idle"), ("alone_per_s", "%.0f/s alone"), ("slower", "%.3f slower"),
           ("kib_each", "%.2f KiB each"), ("lost", "%d lost"),
           ("idle_answered", "%d idle answered"),
           ("alone_p50_ms", "p50 alone %.2f ms"),
           ("alone_p99_ms", "p99 alone %.2f ms"),
           ("idle_silence_ms", "silence before %.1f ms"),
           ("silence_ms", "silence %.1f ms"),
           ("before_pss_mb", "PSS before %.0f MB"),
           ("peak_pss_mb", "peak %.0f MB"), ("engine_mb", "engine %.0f MB"),
           ("workers", "%d workers"),
           ("first_body_ms", "first body byte %.0f ms"),
           ("per_s", "%.0f answers/s"), ("cpu_us", "CPU %.1f us"),
           ("full_per_s", "a full core: %.0f/s"),
           ("gap_ms", "gap %.0f ms"), ("unsent_part", "%.3f not sent"))


def median(rows, name):
    values = [r[name] for r in rows if r.get(name) is not None]
    return statistics.median(values) if values else None


def _ratio(results, load, peer):
    _, plus, variant = peer.partition("+")
    pairs = [row["cpu_us"] / raw["cpu_us"] for row, raw in results.pairs(
        load, peer, "raw" + plus + variant)]
    return "%.2f" % statistics.median(pairs) if pairs else ""


def table(results, apart):
    out = []
    head = ["load", "server"] + [c[0] or "x raw" for c in COLUMNS]
    out.append("%-24s %-12s " % tuple(head[:2]) + " ".join(
        "%9s" % c for c in head[2:]) + "   CPU of the rounds")
    for (load, peer), rows in results.rows.items():
        if load in apart:
            continue
        cells = []
        for _, name, form in COLUMNS:
            if name is None:
                cells.append(_ratio(results, load, peer))
            else:
                value = median(rows, name)
                cells.append("" if value is None else form % value)
        costs = [r["cpu_us"] for r in rows]
        out.append("%-24s %-12s " % (load, peer) + " ".join(
            "%9s" % c for c in cells) + "   %.1f-%.1f (%d)" % (
                min(costs), max(costs), len(costs)))
        faults = {}
        for row in rows:
            for name, n in row.get("faults", {}).items():
                faults[name] = faults.get(name, 0) + n
        if faults:
            out.append("%37s wrong: %s" % ("", ", ".join(
                "%s %d" % f for f in faults.items())))
    return out


def trials(results, names):
    out = []
    for (load, peer), rows in results.rows.items():
        if load not in names:
            continue
        cells = ["%.0f answers, %.0f errors, p50 %.2f p99 %.2f max %.1f ms" %
                 tuple(median(rows, n) for n in (
                     "answers", "errors", "p50_ms", "p99_ms", "max_ms"))]
        for name, form in FURTHER:
            value = median(rows, name)
            # what a trial does not look at is 0
            if value:
                cells.append(form % value)
        out.append("%-16s %-24s %s" % (load, peer, ", ".join(cells)))
    return out


def verdicts(judged):
    out = ["%-62s %12s %11s %-24s %s" % ("target", "limit", "measured",
                                         "rounds", "verdict")]

    def number(v):
        return "%.*f" % (0 if abs(v) >= 100 else 2, v)
    for j in judged:
        spread = "" if j["value"] is None else "%s to %s (%d)" % (
            number(j["lowest"]), number(j["highest"]), j["rounds"])
        out.append("%-62s %12s %11s %-24s %s" % (
            j["target"], "%s %g %s" % (j["op"], j["limit"], j["unit"]),
            "" if j["value"] is None else number(j["value"]), spread,
            j["verdict"]))
    return out


def text(run, judged):
    out = ["%s: %s" % pair for pair in run.about.items()]
    out += [""] + table(run.results, trial_rows.ROWS)
    more = trials(run.results, trial_rows.ROWS)
    if more:
        out += ["", "trials"] + more
    if judged:
        out += [""] + verdicts(judged)
    if run.broken:
        out += [""] + ["WENT WRONG %s: %s" % x for x in run.broken.items()]
    return "\n".join(out) + "\n"
