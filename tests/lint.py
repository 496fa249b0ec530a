#!/usr/bin/env python3
"""The house rules that a compiler does not check, as TAP: which folder may include which, calls nobody makes, scripts, spelling."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
SOURCE = ROOT / "src"

# What each room may include besides itself and base. docs/architecture.md draws the picture.
CLUSTERD = ["api", "store", "server", "client"]
MAY_INCLUDE = {
    "base": [],
    "profile": [],
    "driver": [],
    "bootstrap": ["driver", "profile"],
    "addons": ["profile"],
    "launcher": ["addons", "bootstrap", "driver", "profile"],
    "clusterd/api": [],
    "clusterd/store": ["clusterd/api"],
    "clusterd/server": ["clusterd/api", "clusterd/store"],
    "clusterd/client": ["clusterd/" + room for room in CLUSTERD],
    **{"clusterd/" + room: ["clusterd/" + below for below in CLUSTERD]
       for room in ("controllers", "scheduler", "node", "proxy", "dns")},
}
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|popen|system|alloca|tmpnam|mktemp)\s*\(")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)

results = []


def report(description, problems):
    results.append(not problems)
    print(f"{'not ' if problems else ''}ok {len(results)} - {description}")
    for problem in problems[:40]:
        print(f"#   {problem}")


def room_of(path):
    """The room of a path relative to src/: two levels below clusterd, else one. clusterd itself is its own."""
    parts = pathlib.PurePath(path).parts
    if parts[0] == "clusterd":
        return "clusterd/" + parts[1] if len(parts) > 2 else "clusterd"
    return parts[0]


def wrong_arrows():
    for path in sorted(SOURCE.rglob("*.[ch]")):
        here = path.relative_to(SOURCE)
        room = room_of(here)
        for target in INCLUDE.findall(path.read_text()):
            if "/" not in target:
                continue
            other = room_of(target)
            if room == "clusterd":
                allowed = other == "base" or other.startswith("clusterd")
            else:
                allowed = other in (room, "base", *MAY_INCLUDE[room])
            if not allowed:
                yield f"{here} includes {target}"


def banned_calls():
    for path in sorted(SOURCE.rglob("*.[ch]")):
        code = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), path.read_text())
        for number, line in enumerate(code.splitlines(), 1):
            if BANNED.search(line):
                yield f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def long_files():
    for path in sorted(SOURCE.rglob("*.[ch]")):
        lines = path.read_text().count("\n")
        if lines > 800:
            yield f"{path.relative_to(ROOT)} has {lines} lines"


def scripts():
    for path in tracked():
        if not path.is_file() or path.suffix in (".py", ".c", ".h"):
            continue
        head = path.read_bytes()[:40]
        if head.startswith((b"#!/bin/bash", b"#!/bin/sh", b"#!/usr/bin/env bash")):
            yield path


def lost_tests(name, count):
    """Tests that the table of at least COUNT promises in docs/internals/NAME names and that are not there."""
    table = ROOT / "docs/internals" / name
    rows = re.findall(r"^\| (\d+) \|[^|]*\|(.*)\|$", table.read_text(), re.M)
    if [int(number) for number, _ in rows] != list(range(1, max(count, len(rows)) + 1)):
        yield f"{table.name}: rows 1 to {count} at least, each once and in order"
    for number, cell in rows:
        for file, tests in re.findall(r"(tests/[\w./-]+)((?: \"[^\"]+\")+)", cell):
            path = ROOT / file
            text = path.read_text() if path.is_file() else ""
            for test in re.findall(r'"([^"]+)"', tests):
                # a C test may be named by a macro that puts the beginning before it
                if f'"{test}' not in text and f"({test})" not in text:
                    yield f"{table.name}, row {number}: {file} has no test \"{test}\""
        if not re.search(r'tests/[\w./-]+ "', cell):
            yield f"{table.name}, row {number}: no test"


def tracked():
    listing = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=False)
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def complaints(command, *files):
    run = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    return (run.stdout + run.stderr).splitlines() if run.returncode else []


report("folders include only what lies below them", list(wrong_arrows()))
report("no banned call", list(banned_calls()))
report("no file is longer than 800 lines", list(long_files()))
report("the tests that hold the API's promises are there", list(lost_tests("conformance.md", 36)))
report("the tests that hold the node's promises are there", list(lost_tests("node-conformance.md", 35)))
report("the tests that hold the promises of DNS are there", list(lost_tests("dns.md", 16)))
report("the tests that hold the network's promises are there", list(lost_tests("network.md", 14)))
if shutil.which("shellcheck") and list(scripts()):
    # the machine's own scripts are read by busybox ash, and find their parts only there
    guest = [path for path in scripts() if path.is_relative_to(ROOT / "iso/rootfs") or path.is_relative_to(ROOT / "iso/initrd")]
    host = [path for path in scripts() if path not in guest]
    report("shell scripts pass shellcheck", complaints(["shellcheck", "-x", "-S", "warning"], *host)
           + complaints(["shellcheck", "-s", "dash", "-e", "SC1091"], *guest))
if shutil.which("codespell"):
    texts = [path for path in tracked() if path.is_file() and path.suffix in (".c", ".h", ".md", ".sh", ".kinds", ".py")]
    words = "ro,te,nd,hel,fo,ans,lets,iff,inout,ment,alpha-numeric,unparseable,iif"
    report("words are spelled right", complaints(["codespell", "-q", "3", "-L", words], *texts))
print(f"1..{len(results)}")
sys.exit(not all(results))
