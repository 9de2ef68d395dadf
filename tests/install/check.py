#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check.py BUILD SOURCE: installs a build into a folder and uses it as a stranger would.

Reports in TAP: the program of ten lines, what the library exports, its soname, every public header
alone in C11 and in C++20, the INIT macros, the plugins, and the CMake package where there is a
cmake.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
TRANSPORTS = ["memory", "serial", "udp"]


class Failed(Exception):
    pass


def call(*command, env=None, cwd=None):
    """What the command prints; Failed with all of it if it fails."""
    done = subprocess.run(
        [str(c) for c in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise Failed(f'{" ".join(map(str, command))}\n{done.stdout}{done.stderr}'.strip())
    return done.stdout


def need(good, what):
    if not good:
        raise Failed(what)


class Install:
    def __init__(self, build, source, work):
        self.build, self.source, self.work = build, source, work
        self.destdir = work / "root"
        call("meson", "install", "--no-rebuild", "-C", build, env={"DESTDIR": str(self.destdir)})
        # The prefix is a part of the installed files; relocate pkg-config's view of it.
        pc = next(self.destdir.rglob("plait.pc"))
        self.libdir = pc.parent.parent
        self.prefix = pathlib.Path(re.search(r"^prefix=(.*)$", pc.read_text(), re.M).group(1))
        self.include = self.destdir / self.prefix.relative_to("/") / "include"
        self.env = {
            "PKG_CONFIG_PATH": str(pc.parent),
            "LD_LIBRARY_PATH": str(self.libdir),
            "PKG_CONFIG_SYSROOT_DIR": str(self.destdir),
        }
        # A sanitized library needs its runtime in the program too.
        options = call("meson", "configure", build)
        found = re.search(r"^\s*b_sanitize\s+(\S+)", options, re.M)
        self.sanitize = (
            [] if not found or found.group(1) == "none" else [f"-fsanitize={found.group(1)}"]
        )

    def flags(self):
        text = call("pkg-config", "--cflags", "--libs", "plait", env=self.env)
        return text.split()

    def program_of_ten_lines(self):
        program = self.work / "self"
        call(
            "cc",
            "-std=c11",
            *WARNINGS,
            *self.sanitize,
            self.source / "tests/install/self.c",
            "-o",
            program,
            *self.flags(),
        )
        need(call(program, env=self.env) == "hello\n", "it did not say hello")

    def pkg_config_says_nothing_private(self):
        flags = [f for f in self.flags() if not f.startswith(("-L", "-I"))]
        need(flags == ["-lplait"], f"pkg-config gives {flags}")

    def exports_nothing_else(self):
        names = [
            line.split()[-1].split("@")[0]
            for line in call("nm", "-D", "--defined-only", self.libdir / "libplait.so").splitlines()
        ]
        others = [n for n in names if not re.match(r"plait_|PLAIT_", n)]
        need(names, "it exports nothing")
        need(not others, f"it also exports {others}")

    def exports_what_headers_declare(self):
        names = {
            line.split()[-1].split("@")[0]
            for line in call("nm", "-D", "--defined-only", self.libdir / "libplait.so").splitlines()
        }
        declared = set()
        for header in self.headers():
            text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
            declared |= set(re.findall(r"PLAIT_API\b[^;(]*?\b(plait_\w+)\s*\(", text))
        need(len(declared) > 50, f"only {len(declared)} functions were found in the headers")
        need(declared <= names, f"declared, but not there: {sorted(declared - names)}")
        extra = {n for n in names if n.startswith("plait_")} - declared
        need(not extra, f"there, but in no header: {sorted(extra)}")

    def soname_is_the_abi(self):
        abi = re.search(r"PLAIT_ABI = (\d+)", (self.include / "plait/version.h").read_text()).group(
            1
        )
        text = call("readelf", "-d", self.libdir / "libplait.so")
        soname = re.search(r"SONAME.*\[(.*)\]", text)
        need(soname and soname.group(1) == f"libplait.so.{abi}", text)

    def headers(self):
        return sorted((self.include / "plait").glob("*.h"))

    def headers_compile_alone(self):
        need(self.headers(), "no header was installed")
        for header in self.headers():
            for language, standard in (("c", "c11"), ("c++", "c++20")):
                one = self.work / "one"
                one.write_text(
                    f"#include <plait/{header.name}>\n#include <plait/{header.name}>\n"
                    "int not_empty;\n"
                )
                call(
                    "cc",
                    "-x",
                    language,
                    f"-std={standard}",
                    *WARNINGS,
                    "-fsyntax-only",
                    f"-I{self.include}",
                    one,
                )

    def init_macros_please_strict_compilers(self):
        macros = {
            name
            for header in self.headers()
            for name in re.findall(r"#define (PLAIT_\w+)_INIT\b", header.read_text())
        }
        need(len(macros) > 4, f"only {macros}")
        program = "#include <plait/plait.h>\nint main(void) {\n" + "".join(
            f"    {m.lower()} {m.lower()}_ = {m}_INIT;\n    (void){m.lower()}_;\n" for m in macros
        )
        one = self.work / "init"
        program += "    plait_channel_config c = PLAIT_CHANNEL_STREAM;\n"
        one.write_text(program + "    return c.struct_size == 0;\n}\n")
        for language, standard, more in (
            ("c", "c11", "-Wconversion"),
            ("c++", "c++17", "-Wconversion -Wold-style-cast"),
        ):
            flags = ["-x", language, f"-std={standard}", *WARNINGS, *more.split()]
            call("cc", *flags, "-fsyntax-only", f"-I{self.include}", one)

    def plugins_are_there(self):
        folder = self.libdir / "plait" / "transports"
        for name in TRANSPORTS:
            path = folder / f"plait_{name}.so"
            need(path.is_file(), f"{path} is not there")
            need("plait_transport_entry" in call("nm", "-D", "--defined-only", path), str(path))

    def cmake_package(self):
        need(shutil.which("cmake"), "SKIP no cmake here")
        build = self.work / "cmake"
        config = next(self.destdir.rglob("plait-config.cmake"))
        call(
            "cmake",
            "-S",
            self.source / "tests/install",
            "-B",
            build,
            f"-Dplait_DIR={config.parent}",
            f'-DCMAKE_C_FLAGS={" ".join(self.sanitize)}',
        )
        call("cmake", "--build", build)
        need(call(build / "self", env=self.env) == "hello\n", "it did not say hello")


def main():
    build, source = map(pathlib.Path, sys.argv[1:3])
    checks = [
        "program_of_ten_lines",
        "pkg_config_says_nothing_private",
        "exports_nothing_else",
        "exports_what_headers_declare",
        "soname_is_the_abi",
        "headers_compile_alone",
        "init_macros_please_strict_compilers",
        "plugins_are_there",
        "cmake_package",
    ]
    print(f"1..{len(checks)}")
    bad = 0
    with tempfile.TemporaryDirectory(prefix="plait-install-") as work:
        install = Install(build, source, pathlib.Path(work))
        for number, name in enumerate(checks, 1):
            what = name.replace("_", " ")
            try:
                getattr(install, name)()
                print(f"ok {number} - {what}")
            except Failed as failure:
                if str(failure).startswith("SKIP"):
                    print(f"ok {number} - {what} # {failure}")
                    continue
                bad += 1
                print(f"not ok {number} - {what}")
                print("".join(f"# {line}\n" for line in str(failure).splitlines()), end="")
    return 1 if bad else 0


sys.exit(main())
