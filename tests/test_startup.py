"""What the commands that agents call thousands of times must not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Clone

HEAVY = {"git", "ruamel", "frontmatter", "yaml", "ulid", "watchfiles", "msgspec", "subprocess", "asyncio", "sqlite3"}
PROBE = "import sys; from tbdx.cli.main import run; code = run('tbdx', sys.argv[1:]); {tail}"
TAIL = "sys.stderr.write('\\n'.join(sorted({m.split('.')[0] for m in sys.modules}))); sys.exit(code)"


def imported(cwd: Path, *argv: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE.replace("{tail}", TAIL), *argv], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize("argv", [("--help",), ("create", "x"), ("list",), ("ready",), ("show", "ID"), ("close", "ID")])
def test_a_hot_command_imports_nothing_heavy(repo: Clone, argv: tuple[str, ...]) -> None:
    shown = repo.create("First")
    loaded = imported(repo.path, *(shown if a == "ID" else a for a in argv))
    assert "tbdx" in loaded
    assert loaded & HEAVY == set()


def test_the_probe_sees_a_heavy_import(repo: Clone) -> None:
    assert "git" in imported(repo.path, "status")
