#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""merge.py [-o NAME] RESULT.json ...: what several runs of make bench have
measured, as one: the table and the targets, and NAME.json and NAME.txt. Rounds
of the same load are added up. All must be of the same programs on the same
machine."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "integration", "lib")]
sys.dont_write_bytecode = True

import report
import results


def main(argv):
    name = None
    if argv[:1] == ["-o"]:
        name, argv = "".join(argv[1:2]), argv[2:]
    if not argv or name == "":
        sys.exit(__doc__)
    try:
        run = results.joined(argv)
    except results.Differ as differ:
        sys.exit("merge.py: not measured alike: %s" % differ)
    print(report.text(run, run.judged()), end="")
    if name:
        name = name[:-5] if name.endswith(".json") else name
        run.save(name)
        print("kept as %s.txt and .json" % name)
    return 1 if run.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
