#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_symbols.py LIBRARY HEADER...: what the library exports is what the headers declare."""
import re
import subprocess
import sys

library, headers = sys.argv[1], sys.argv[2:]
declared = set()
for header in headers:
    text = re.sub(r"/\*.*?\*/", "", open(header, encoding="utf-8").read(), flags=re.S)
    declared |= set(re.findall(r"PLAIT_API[^;]*?\b(plait_\w+)\(", text))
nm = subprocess.run(
    ["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True
)
rows = [line.split() for line in nm.stdout.splitlines()]
exported = {row[2].split("@")[0] for row in rows if row[1] != "A"}
for name in sorted(declared - exported):
    print(f"declared, but not exported: {name}")
for name in sorted(exported - declared):
    print(f"exported, but not declared: {name}")
print(f"{len(declared)} declared, {len(exported)} exported")
sys.exit(declared != exported or not declared)
