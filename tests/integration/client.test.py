#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Runs c-icap-client.sh against a server with the tests' signatures."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import subprocess

import tolsey

server = tolsey.server()
try:
    code = subprocess.run(
        [os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "c-icap-client.sh"), "127.0.0.1", str(server.port)],
        timeout=300).returncode
finally:
    server.close()
sys.exit(code)
