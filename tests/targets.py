#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""targets.py BUILD SUITE...: the files that ninja has to build for the tests of these suites."""
import json
import os
import subprocess
import sys

build, suites = os.path.realpath(sys.argv[1]), set(sys.argv[2:])


def introspect(what):
    return json.loads(subprocess.check_output(["meson", "introspect", what, build]))


wanted = set()
for test in introspect("--tests"):
    if suites & {suite.split(":")[-1] for suite in test["suite"]}:
        wanted.update(test["depends"])
for target in introspect("--targets"):
    if target["id"] in wanted:
        print(*(os.path.relpath(os.path.realpath(name), build) for name in target["filename"]))
