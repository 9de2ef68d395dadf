#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count.py [--broken N] LOG...: sums up meson's test logs (JSON lines).

A program that reports in TAP or in cmocka's way counts as many tests as it ran, any other as one.
N is how many steps failed besides. Prints what failed, then "N passed, N failed"; the status is 1
if anything did.
"""
import argparse
import json
import re
import sys

PASSED = re.compile(r"\[\s+PASSED\s+\] (\d+) test\(s\)")
FAILED = re.compile(r"\[\s+FAILED\s+\].* (\d+) test\(s\)")
TAP_PASSED = re.compile(r"^ok\b(?!.*# SKIP)", re.MULTILINE)
TAP_FAILED = re.compile(r"^not ok\b", re.MULTILINE)
BAD = ("FAIL", "ERROR", "TIMEOUT", "INTERRUPT", "UNEXPECTEDPASS")


def count(test):
    """(passed, failed) of one entry of a log."""
    text = (test.get("stdout") or "") + (test.get("stderr") or "")
    passed = sum(int(n) for n in PASSED.findall(text)) + len(TAP_PASSED.findall(text))
    failed = sum(int(n) for n in FAILED.findall(text)) + len(TAP_FAILED.findall(text))
    bad = test["result"] in BAD
    if test["result"] == "SKIP":
        return 0, 0
    if passed + failed == 0:
        return int(not bad), int(bad)
    # A program that fell over after its last report, or was stopped, has failed all the same.
    return passed, max(failed, int(bad))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--broken", type=int, default=0)
    parser.add_argument("logs", nargs="*")
    options = parser.parse_args()
    passed, failed = 0, options.broken
    for path in options.logs:
        try:
            lines = open(path, encoding="utf-8").read().splitlines()
        except OSError:
            continue  # counted as broken by who wanted to write it
        for line in lines:
            test = json.loads(line)
            good, bad = count(test)
            passed += good
            failed += bad
            if bad:
                print(f'failed: {test["name"]} ({path})')
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
