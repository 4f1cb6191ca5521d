#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The short form of "make bench": ratios within one run."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ["BENCH"] = "short"
path = os.path.join(HERE, "..", "bench", "bench.py")
os.execv(sys.executable, [sys.executable, path])
