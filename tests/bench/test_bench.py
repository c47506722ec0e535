"""The bench runs, and measures what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import Clone
from tbdx.core import codec

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import corpus  # noqa: E402


def test_the_same_issues_come_again_and_are_good() -> None:
    made = corpus.issues(200)
    assert made == corpus.issues(200) and made != corpus.issues(201)
    assert all(codec.parse(codec.render(issue), issue["id"]) == issue for issue in made.values())
    edges = sum(len(issue["dependencies"]) for issue in made.values())
    assert 100 < edges < 400 and sum("parent_id" in i for i in made.values()) > 40
    assert {i["status"] for i in made.values()} == {"open", "in_progress", "blocked", "deferred", "closed"}


@pytest.mark.long
def test_the_table_has_every_operation_and_whoever_is_on_path(bare_git: Clone, tmp_path: Path) -> None:
    beside = tmp_path / "bin"
    beside.mkdir()
    (beside / "tbd").symlink_to(Path(sys.executable).with_name("tbdx"))
    (beside / "tk").write_text("#!/bin/sh\nexit 0\n")
    (beside / "tk").chmod(0o755)
    env = os.environ | {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"}
    line = [sys.executable, HERE / "run.py", "--sizes", "20,100", "--rounds", "1"]
    done = subprocess.run(line, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    head, _, f, *rows = done.stdout.splitlines()
    assert head == "| CPU at 20 / 100 issues | goal | tbdx, in F | tbdx, ms | tbd, ms | tk, ms |"
    assert "| 1 / 1 |" in f and len(rows) == 13
    assert all(row.split(" | ")[2:] != ["", "", ""] for row in rows)
    assert rows[0].startswith("| show --json | – / 1.5 |")
