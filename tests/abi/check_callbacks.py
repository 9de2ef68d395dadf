#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_callbacks.py TEST HEADER...: each public function says whether a callback may call it, and
TEST calls it in one and expects just that."""
import re
import sys

DOCUMENTED = re.compile(r"(/\*\*(?:(?!\*/).)*\*/)\s*PLAIT_API[^;]*?\b(plait_\w+)\(", re.S)

test = open(sys.argv[1], encoding="utf-8").read()
test = re.sub(r"/\*.*?\*/", "", test, flags=re.S)
inside = test[: test.index("static void test_")]  # what runs in the callback
refused = set(re.findall(r"EXPECT\((plait_\w+)\([^;]*PLAIT_E_IN_CALLBACK\)", inside))
called = set(re.findall(r"\b(plait_\w+)\(", inside))

wrong, count = [], 0
for header in sys.argv[2:]:
    for comment, name in DOCUMENTED.findall(open(header, encoding="utf-8").read()):
        count += 1
        allowed, not_allowed = "[callback-ok" in comment, "[not-in-callback" in comment
        if allowed == not_allowed:
            wrong.append(f"{name}: its comment says neither or both of the tags")
        elif name not in called:
            wrong.append(f"{name}: {sys.argv[1]} does not call it")
        # To free a node there does nothing; it has no status to say so.
        elif not_allowed != (name in refused) and name != "plait_node_free":
            wrong.append(f"{name}: tag and test differ")
print("\n".join(wrong) or f"{count} functions")
sys.exit(bool(wrong) or not count)
