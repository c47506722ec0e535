"""What the commands that agents call thousands of times may import: each module costs a fiftieth of starting Python."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Clone

PROBE = "import sys; before = set(sys.modules); from tbdx.cli.main import run; code = run('tbdx', sys.argv[1:]); {tail}"
TAIL = "sys.stderr.write('\\n'.join(sorted(set(sys.modules) - before))); sys.exit(code)"

# modules of Python's own that no hot command does without; all but __future__ and errno are in C
PYTHON = {"__future__", "_json", "errno", "gc", "time"}
EVERY = {"", ".cli", ".cli.common", ".cli.direct", ".cli.main", ".cli.output", ".cli.table", ".core", ".core.canon"}
EVERY |= {".core.codec", ".core.entity", ".core.ids", ".core.jsontext", ".core.names", ".core.times", ".errors"}
EVERY |= {".kernel", ".store", ".store.config", ".store.entities", ".store.failpoint", ".store.files", ".store.layout"}
SHOW = {".cli.issues", ".core.snapshot", ".kernel.commented", ".kernel.look", ".store.cache"}
FRESH = {".core.snapshot", ".core.lists", ".kernel.snapshot", ".store.cache"}
LISTS = FRESH | {".cli.lists", ".kernel.lists"}
JOURNAL = {".core.actor", ".core.digest", ".core.event", ".core.happened", ".core.project", ".core.secrets"}
JOURNAL |= {".kernel.journal", ".store.journal"}
WRITE = JOURNAL | {".cli.issues", ".core.typed", ".store.lock"}
EV = EVERY | JOURNAL | {".cli.ev"}
FOLDS = {".core.chain", ".core.checkpoint", ".core.mail", ".core.views", ".kernel.log", ".kernel.views"}
VIEWS = EV | FRESH | FOLDS
MAIL = VIEWS | {".cli.msg", ".core.address", ".core.kinds", ".kernel.agents", ".kernel.mail", ".kernel.mailbox"}
C = {"marshal", "zlib", "bisect", "_bisect"}
HASH = {"_sha1", "fcntl", "zlib"}  # of a blob's id, of the coordination lock, and of the line before
MAY: dict[str, tuple[set[str], set[str]]] = {  # command line -> its modules of ours, its modules of Python
    "show ID --json": (EVERY | SHOW, PYTHON | C),
    "show ID": (EVERY | SHOW | FRESH, PYTHON | C),
    "create Another": (EVERY | WRITE | {".kernel.work"}, PYTHON | HASH | {"bisect", "_bisect"}),
    "update ID --priority 0": (EVERY | WRITE | {".kernel.work", ".kernel.bulk"}, PYTHON | HASH),
    "close ID": (EVERY | WRITE | {".kernel.bulk"}, PYTHON | HASH),
    "ev emit --type a.b": (EV, PYTHON | HASH),
    "materialize status": (VIEWS, PYTHON | C | HASH | {"_sha256", "_heapq", "heapq"}),
    "msg send --to all --body x": (EVERY | MAIL | {".store.lock"}, PYTHON | HASH),
    "msg recv --as ann": (EVERY | MAIL, PYTHON | C | HASH | {"_sha256", "_heapq", "heapq"}),
    "ready": (EVERY | LISTS, PYTHON | C),
    "blocked --json": (EVERY | LISTS, PYTHON | C),
    "list --json": (EVERY | LISTS, PYTHON | C),
    "search First": (EVERY | LISTS, PYTHON | C),
}


def imported(cwd: Path, *argv: str) -> set[str]:
    """The modules that one command line adds to those of a Python that has just started."""
    probe = PROBE.replace("{tail}", TAIL)
    done = subprocess.run([sys.executable, "-c", probe, *argv], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize("line", MAY)
def test_a_hot_command_imports_only_what_it_may(repo: Clone, line: str) -> None:
    shown = repo.create("First")
    repo.json("msg", "send", "--to", "all", "--body", "x")
    time.sleep(0.03)
    repo.run("show", shown)  # what the caches know
    loaded = imported(repo.path, *(shown if word == "ID" else word for word in line.split()))
    ours = {name.removeprefix("tbdx") for name in loaded if name.split(".")[0] == "tbdx"}
    theirs = {name for name in loaded if name.split(".")[0] != "tbdx"}
    may, python = MAY[line]
    assert (ours - may, theirs - python) == (set(), set())
    assert "" in ours and ".kernel" in ours


def test_help_imports_nothing_of_the_tracker(repo: Clone) -> None:
    loaded = imported(repo.path, "--help")
    assert "click" in loaded and not loaded & {"git", "ruamel", "yaml", "msgspec", "watchfiles", "tbdx.kernel"}


def test_the_probe_sees_a_heavy_import(repo: Clone) -> None:
    assert "git" in imported(repo.path, "status")
