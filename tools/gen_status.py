#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes include/plait/status.h and src/base/status_text.inc from src/base/status_table.txt.

gen_status.py          writes both files
gen_status.py --check  exits with 1 if either is not what the table gives
"""
import pathlib
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
NOTE = "Made by tools/gen_status.py from src/base/status_table.txt: edit the table, not this file."
BANDS = {0: "usage", 1: "resource", 2: "state", 3: "protocol", 4: "crypto", 5: "transport"}


def rows():
    seen = set()
    for line in (TOP / "src/base/status_table.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, number, text = (field.strip() for field in line.split("|"))
        if number in seen:
            sys.exit(f"status number {number} is used twice")
        seen.add(number)
        yield name, int(number), text


def header():
    out = [
        "/* SPDX-License-Identifier: Apache-2.0 */",
        f"/* {NOTE} */",
        "#ifndef PLAIT_STATUS_H",
        "#define PLAIT_STATUS_H",
        "#include <stdint.h>",
        "",
        "/** What every function that can fail returns: PLAIT_OK or a negative code.",
        " *  Codes come in bands of a hundred by the kind of failure; no number is ever reused. */",
        "typedef int32_t plait_status;",
        "",
        "enum {",
    ]
    band = None
    for name, number, text in rows():
        if number and -number // 100 != band:
            band = -number // 100
            out.append(f"    /* {BANDS[band]} */")
        out.append(f"    PLAIT_{name} = {number}, /**< {text} */")
    out += ["};", "", "#endif", ""]
    return "\n".join(out)


def texts():
    out = [f"// {NOTE}", "// X(name, text)"]
    out += [f'X(PLAIT_{name}, "{text}")' for name, _, text in rows()]
    return "\n".join(out) + "\n"


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for path, text in (("include/plait/status.h", header()), ("src/base/status_text.inc", texts())):
        file = TOP / path
        if check and file.read_text() != text:
            stale.append(path)
        elif not check:
            file.write_text(text)
    if stale:
        sys.exit(f"not what the table gives: {', '.join(stale)}; run tools/gen_status.py")


main()
