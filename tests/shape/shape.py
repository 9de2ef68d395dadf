#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""shape.py [ROOT]: the house keeps its form.

Checks what reviews would forget: sizes of files, functions and lines, the include direction, calls
that the engine must not make, licence lines, generated files, forgotten notes. Reports in TAP, one
line a rule. Functions are found by braces, not by a compiler: good enough for this code.
"""
import pathlib
import re
import subprocess
import sys

FILE_LINES, FUNCTION_LINES, COLUMNS = 600, 69, 100

CODE = {".c", ".h", ".cpp", ".hpp"}
SCRIPTS = {".py", ".sh", ""}
FOLDERS = ("bindings", "examples", "include", "src", "tests", "tools", "transports", ".ci")
GENERATED = {"include/plait/status.h", "src/base/status_text.inc"}

# Each room sees itself and those before it, and the public headers (plain values and constants).
ENGINE = ["base", "wire", "crypto", "recovery", "fec", "channel", "link", "connection", "node"]
SEES = {room: set(ENGINE[: i + 1]) for i, room in enumerate(ENGINE)}
SEES["runtime"] = {"base", "node", "runtime"}
SEES["capi"] = {"base", "node", "runtime", "capi"}
# What the node's interface is made of beside its own folder: settings, and the start of libsodium.
INTERFACE = {"connection/config.h", "crypto/init.h"}

# The engine gets time and entropy as arguments, and does no input or output.
ENGINE_BANNED = [
    r"clock_gettime",
    r"gettimeofday",
    r"\btime\s*\(\s*(NULL|nullptr|0|&)",
    r"_clock::now",
    r"\bs?rand\s*\(",
    r"\brandom\s*\(",
    r"\bgetrandom\b",
    r"randombytes_",
    r"std::random_device",
    r"\bsocket\s*\(",
    r"\bgetenv\b",
    r"\bfopen\b",
    r"std::(i|o)?fstream",
    r"\bprintf\s*\(",
    r"std::c(out|err)\b",
    r"\bpthread_",
    r"std::(jthread|thread)\b",
    r"std::atomic\b",
    r"std::(shared_|recursive_)?mutex\b",
]
ENGINE_HEADERS = re.compile(
    r"#\s*include\s*<(sys/|netinet/|arpa/|unistd|pthread|thread|mutex|atomic|fcntl|poll|time\.h|"
    r"ctime|random|fstream|iostream|filesystem|future|condition_variable|event2?/|termios|netdb)"
)
DATA_PATH_ROOMS = {"wire", "recovery", "fec", "channel", "link", "connection"}
DATA_PATH_BANNED = [r"std::function\b", r"std::deque\b", r"std::unordered_(map|set)\b"]
NOTES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def files(root):
    """The files that are, or will be, in the repository."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [n.decode() for n in listed.stdout.split(b"\0") if n]
    else:  # an unpacked archive
        names = [str(p.relative_to(root)) for folder in FOLDERS for p in (root / folder).rglob("*")]
    for name in sorted(set(names)):
        path = root / name
        if name.split("/")[0] in FOLDERS and path.is_file() and "/corpus/" not in name:
            yield name, path


def read(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def is_script(name, text):
    return pathlib.Path(name).suffix in SCRIPTS and (text.startswith("#!") or name.endswith(".py"))


def blank(match):
    """Takes the text away and leaves its lines."""
    return re.sub(r"[^\n]", " ", match.group(0))


TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|' r"\'(?:\\.|[^\'\\\n])+\'",
    re.DOTALL,
)


def without_comments(text):
    def keep_strings(match):
        return match.group(0) if match.group(0)[0] not in "/" else blank(match)

    return TOKENS.sub(keep_strings, re.sub(r"(?<=[0-9a-fA-F])\'(?=[0-9a-fA-F])", " ", text))


def without_strings(text):
    def keep_quotes(match):
        return match.group(0)[0] + blank(match)[1:-1] + match.group(0)[-1]

    return TOKENS.sub(keep_quotes, text)


SCOPE = re.compile(r'\b(namespace|extern\s*"\s*"|class|struct|union|enum)\b')


def functions(text):
    """(first line, lines) of each function: a body after a parameter list, outside of any other."""
    text = without_strings(without_comments(text))
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.MULTILINE)
    line, head, head_line, stack = 1, "", 0, []
    for char in text:
        if char == "{":
            inside = "function" in (s[0] for s in stack) or "other" in (s[0] for s in stack)
            plain = re.sub(r"\([^()]*\)|<[^<>]*>", "", head)
            if inside:
                kind = "other"
            elif "(" in head and not re.search(r"=\s*$", head):
                kind = "function"
            else:
                kind = "scope" if SCOPE.search(plain) else "other"
            stack.append((kind, head_line or line))
            head, head_line = "", 0
        elif char == "}":
            kind, start = stack.pop() if stack else ("other", line)
            if kind == "function":
                yield start, line - start + 1
            head, head_line = "", 0
        elif char == ";":
            head, head_line = "", 0
        else:
            if not head_line and not char.isspace():
                head_line = line
            head += char
        if char == "\n":
            line += 1


class Shape:
    def __init__(self, root):
        self.root = root
        self.found = {}
        self.count = 0

    def say(self, rule, where, what):
        self.found[rule].append(f"{where}: {what}")

    def check_sizes(self, name, text):
        lines = text.splitlines()
        if len(lines) > FILE_LINES:
            self.say("files have at most 600 lines", name, f"{len(lines)} lines")
        if name in GENERATED:
            return
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                self.say("lines have at most 100 columns", f"{name}:{number}", f"{len(line)}")
        if pathlib.Path(name).suffix in CODE:
            for start, length in functions(text):
                if length > FUNCTION_LINES:
                    self.say("functions have less than 70 lines", f"{name}:{start}", str(length))

    def check_includes(self, name, room, text):
        rule = "rooms see only those below them"
        for number, line in enumerate(text.splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*"(([^"/]+)/[^"]+)"', line)
            if match and match.group(2) not in SEES[room] | {"plait"}:
                if room in ENGINE or match.group(1) not in INTERFACE:
                    self.say(rule, f"{name}:{number}", line.strip())
            if room in ENGINE and ENGINE_HEADERS.search(line):
                self.say(rule, f"{name}:{number}", line.strip())

    def check_banned(self, name, room, text):
        own = "the engine has no clock, socket, thread or randomness of its own"
        rules = [(own, ENGINE_BANNED)]
        if room in DATA_PATH_ROOMS:
            rules.append(("the data path has no slow containers", DATA_PATH_BANNED))
        code = without_strings(without_comments(text))
        for rule, patterns in rules:
            for pattern in patterns:
                for match in re.finditer(pattern, code):
                    number = code.count("\n", 0, match.start()) + 1
                    self.say(rule, f"{name}:{number}", match.group(0).strip())

    def check_file(self, name, path):
        text = read(path)
        suffix = pathlib.Path(name).suffix
        if suffix not in CODE and not is_script(name, text):
            return
        self.count += 1
        self.check_sizes(name, text)
        if name not in GENERATED and NOTES.search(text) and not name.startswith("tests/shape/"):
            self.say("no notes of things to do", name, NOTES.search(text).group(0))
        if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(text.splitlines()[:3]):
            self.say("licence lines", name, "no SPDX line")
        parts = name.split("/")
        if parts[0] == "src" and len(parts) > 2 and suffix in CODE and parts[1] in SEES:
            self.check_includes(name, parts[1], text)
            if parts[1] in ENGINE:
                self.check_banned(name, parts[1], text)

    def check_generated(self):
        tool = self.root / "tools" / "gen_status.py"
        done = subprocess.run(
            [sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            self.say(
                "generated files are fresh",
                "tools/gen_status.py --check",
                (done.stdout + done.stderr).strip(),
            )

    def run(self):
        for rule in (
            "files have at most 600 lines",
            "functions have less than 70 lines",
            "lines have at most 100 columns",
            "rooms see only those below them",
            "the engine has no clock, socket, thread or randomness of its own",
            "the data path has no slow containers",
            "licence lines",
            "no notes of things to do",
            "generated files are fresh",
            "files were found",
        ):
            self.found[rule] = []
        for name, path in files(self.root):
            self.check_file(name, path)
        self.check_generated()
        if self.count < 50:
            self.say("files were found", str(self.root), f"only {self.count}")
        print(f"1..{len(self.found)}")
        for number, (rule, found) in enumerate(self.found.items(), 1):
            print(f'{"not ok" if found else "ok"} {number} - {rule}')
            for line in found:
                print(f"# {line}")
        return 1 if any(self.found.values()) else 0


if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parents[2]
    sys.exit(Shape(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here).run())
