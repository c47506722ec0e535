"""The in-process kill of the tests leaves what a real one leaves."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Clone
from killing import Killed, at, stopping
from tbdx.kernel import work


def test_a_kill_leaves_the_lock_and_the_half_made_file_and_the_next_command_goes_on(repo: Clone) -> None:
    lock = Path(repo.kernel.repo.lock)
    with stopping(at("file.link", 1, "kill")) as stop:
        work.create(repo.kernel, "T", {})
    assert stop.dead and lock.is_dir() and list((repo.path / ".git/tbdx/tmp").iterdir())
    assert repo.json("list") == []
    repo.create("next")
    assert not lock.exists() and [row["title"] for row in repo.json("list")] == ["next"]


def test_an_error_of_the_disk_is_an_error_of_the_command(repo: Clone) -> None:
    with stopping(at("file.flush", 1, "ENOSPC")):
        done = repo.run("create", "T")
    assert done.code == 1 and "disk is full" in done.err and repo.json("list") == []


def test_killed_is_nothing_that_a_command_could_catch() -> None:
    assert not issubclass(Killed, Exception) and os.name == "posix"
