"""Each guard of the table, taken away in a copy of the tree, makes its test fail there."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import ROOT
from mutations.table import APART, TABLE, Row

LIMIT_S = 60
COPIED = ("tbdx", "tests", "pyproject.toml")
LINKED = ("hooks", "compat", "fixtures")
LAUNCH = """import sys, pytest, tbdx
assert tbdx.__file__.startswith(sys.argv[1] + "/"), tbdx.__file__
sys.exit(pytest.main(sys.argv[2:]))"""
# what has a row wherever it stands
GUARDS = re.compile(
    r"with k\.(writing|locked)\(\)|with (journal\.)?locked\(k\):"
    r"|os\.fsync\(|(?<!def )sync_folder\(|files\.flush\(|\.move_refs\("
)
# CI plays every sixth one; with TBDX_CRASH_WHOLE=1 all
PLAYED = TABLE if os.environ.get("TBDX_CRASH_WHOLE") else TABLE[::6]
each_row = pytest.mark.parametrize("row", PLAYED, ids=lambda row: row.guard)


class Copy:
    """A copy of the tree, in which tests can be run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in COPIED:
            source = ROOT / name
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, root / name, ignore=ignored) if source.is_dir() else shutil.copy2(source, root)
        for name in LINKED:
            (root / name).symlink_to(ROOT / name)

    def run(self, *tests: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
        """Run tests of the copy on the tbdx of the copy."""
        options = ("-p", "no:cacheprovider", "-x", "--long", "--tb=line", "-o", "addopts=--strict-markers")
        line = [sys.executable, "-c", LAUNCH, str(self.root), *options, *tests]
        env = os.environ | {"PYTHONPATH": str(self.root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        return subprocess.run(line, cwd=self.root, env=env, capture_output=True, text=True, timeout=limit_s)

    @contextmanager
    def without(self, file: str, old: str, new: str, nth: int = 0) -> Iterator[None]:
        """The copy with a piece of a file replaced."""
        path = self.root / "tbdx" / file
        text = path.read_text()
        start, end = place(text, old, nth)
        self._write(path, text[:start] + new + text[end:])
        try:
            yield
        finally:
            self._write(path, text)

    def _write(self, path: Path, text: str) -> None:
        """Bytecode is known by the second and the length of its source, which may both be the same."""
        path.write_text(text)
        for kept in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            kept.unlink()


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy").resolve())


def place(text: str, old: str, nth: int) -> tuple[int, int]:
    """Where a row's text stands in its file."""
    found = [m.start() for m in re.finditer(re.escape(old), text)]
    assert found and (nth or len(found) == 1) and nth <= len(found), (old, len(found))
    start = found[max(nth, 1) - 1]
    return start, start + len(old)


def names_of(path: str) -> set[str]:
    """The tests of a file."""
    return {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_guard_is_there_and_its_test_too() -> None:
    names = {path: names_of(path) for path in {row.test.partition("::")[0] for row in TABLE}}
    for row in TABLE:
        text = (ROOT / "tbdx" / row.file).read_text()
        start, end = place(text, row.old, row.nth)
        ast.parse(text[:start] + row.new + text[end:])
        path, _, name = row.test.partition("::")
        assert name.partition("[")[0] in names[path], row.test
    assert len({row.guard for row in TABLE}) == len(TABLE)


def test_every_flush_every_move_of_a_ref_and_every_lock_has_a_row() -> None:
    missing = []
    for path in sorted((ROOT / "tbdx").rglob("*.py")):
        rel, text = path.relative_to(ROOT / "tbdx").as_posix(), path.read_text()
        spans = [place(text, row.old, row.nth) for row in TABLE if row.file == rel]
        spans += [place(text, old, 1) for file, old in APART if file == rel]
        for found in GUARDS.finditer(text):
            if not any(start <= found.start() and found.end() <= end for start, end in spans):
                missing.append(f"{rel}:{text.count(chr(10), 0, found.start()) + 1}: {found[0]}")
    assert missing == []


@pytest.mark.long
def test_with_every_guard_in_place_all_of_the_tests_pass(copy: Copy) -> None:
    tests = sorted({row.test for row in PLAYED})
    done = copy.run(*tests, limit_s=10 * LIMIT_S)
    assert done.returncode == 0 and f" {len(tests)} passed" in done.stdout, done.stdout[-3000:]


@pytest.mark.long
def test_a_command_that_a_test_starts_is_that_of_the_copy(copy: Copy) -> None:
    with copy.without("__main__.py", "from tbdx.cli.main import", "from tbdx.cli.nothing import"):
        done = copy.run("tests/crash/test_points.py::test_a_real_error_of_the_disk_is_told")
    assert done.returncode == 1 and " 1 failed" in done.stdout, done


@pytest.mark.long
@each_row
def test_without_the_guard_its_test_fails(copy: Copy, row: Row) -> None:
    with copy.without(row.file, row.old, row.new, row.nth):
        done = copy.run(row.test)
    assert done.returncode == 1 and " 1 failed" in done.stdout, done.stdout + done.stderr
