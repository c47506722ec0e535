"""Where the output goes changes nothing of what a command does and returns; JSON stays JSON (faults.md H1, H10)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.test_places import closed_pipe
from conftest import Clone, git, some_of
from kernel.test_heal import worktree
from kernel.test_mergedriver import diverge
from kernel.test_sync import Clones, fields, origin, sync, tip

TBDX = [sys.executable, "-m", "tbdx"]
CODES = {"bad_file", "git", "not_published", "sync", "usage", "error", "not_found", "disk", "locked", "invalid"}


def refuse_pushes(clone: Clone) -> None:
    hook = origin(clone) / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'not today' >&2\nexit 1\n")
    hook.chmod(0o755)


def damage(clone: Clone) -> None:
    clone.file(clone.create("Soon damaged")).write_bytes(b"\0")


def detach(clone: Clone) -> None:
    git(worktree(clone), "checkout", "-q", "--detach")


def conflict_file(clone: Clone) -> None:
    for name in ("o", "a", "b"):
        (clone.path / name).write_text(name)


# name -> (what is the matter, the command, its exit code)
CASES: dict[str, tuple[Callable[[Clone], object], list[str], int]] = {
    "sync": (lambda c: None, ["sync"], 0),
    "sync refused": (refuse_pushes, ["sync"], 6),
    "sync refused, nothing saved": (refuse_pushes, ["sync", "--no-auto-save"], 6),
    "sync out of reach": (lambda c: origin(c).rename(origin(c).with_suffix(".gone")), ["sync"], 6),
    "sync with a damaged file": (damage, ["sync"], 1),
    "sync that heals": (detach, ["sync"], 0),
    "sync one way": (lambda c: None, ["sync", "--push"], 1),
    "sync status": (lambda c: None, ["sync", "--status"], 0),
    "sync dry": (lambda c: None, ["sync", "--dry-run"], 0),
    "sync in two ways": (lambda c: None, ["sync", "--push", "--pull"], 2),
    "bundle create": (lambda c: None, ["bundle", "create", "../x.bundle"], 0),
    "bundle create with a damaged file": (damage, ["bundle", "create", "../x.bundle"], 1),
    "bundle of nowhere": (lambda c: None, ["bundle", "create", "../nowhere/x.bundle"], 1),
    "bundle apply": (lambda c: c.run("bundle", "create", "../x.bundle"), ["bundle", "apply", "../x.bundle"], 0),
    "bundle that is none": (lambda c: None, ["bundle", "apply", "README.md"], 1),
    "merge-driver install": (lambda c: None, ["merge-driver", "install"], 0),
    "merge-driver remove": (lambda c: c.run("merge-driver", "install"), ["merge-driver", "remove"], 0),
    "merge-driver run": (conflict_file, ["merge-driver", "run", "o", "a", "b", "src/x.md"], 1),
    "doctor --fix": (detach, ["doctor", "--fix"], 0),
    "doctor --fix with nothing to do": (lambda c: None, ["doctor", "--fix"], 0),
    "doctor --fix with a damaged file": (damage, ["doctor", "--fix"], 1),
}


@pytest.fixture
def diverged(clones: Clones) -> Clone:
    """A clone with edits of its own, and others' edits of the same fields at the remote."""
    diverge(clones)
    return clones[0]


@pytest.mark.parametrize("name", some_of(CASES, 4))
def test_json_alone_on_stdout_and_lines_of_json_on_stderr(diverged: Clone, name: str) -> None:
    make, argv, code = CASES[name]
    make(diverged)
    done = diverged.run(*argv, "--json")
    assert done.code == code, done
    if done.out:
        assert isinstance(json.loads(done.out), dict)
    else:
        assert code, done
    said = [json.loads(line) for line in done.err.splitlines()]
    errors = [row for row in said if "error" in row]
    assert all(row.keys() <= {"notice", "warning"} for row in said if "error" not in row), said
    assert all(row["code"] in CODES and row["error"] for row in errors) and len(errors) <= 1, said
    assert bool(errors) or code == 0 or "withheld" in done.out or '"healthy": false' in done.out, done


@pytest.mark.parametrize("json_form", [[], ["--json"]], ids=["text", "json"])
@pytest.mark.parametrize("name", some_of([*CASES][::2], 5))
def test_a_reader_that_has_gone_changes_no_exit_code(diverged: Clone, name: str, json_form: list[str]) -> None:
    make, argv, code = CASES[name]
    make(diverged)
    writing = closed_pipe()
    done = subprocess.run([*TBDX, *argv, *json_form], cwd=diverged.path, stdout=writing, stderr=-1, text=True)
    os.close(writing)
    assert done.returncode == code and "Traceback" not in done.stderr and "Broken pipe" not in done.stderr, done


def test_what_was_done_stays_done_when_its_output_finds_no_room(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    for argv in (["sync"], ["sync", "--json"], ["bundle", "create", "../x"], ["doctor", "--fix"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*TBDX, *argv], cwd=a.path, stdout=full, stderr=-1, text=True)
        assert done.returncode == 1 and "No space left on device" in done.stderr and "Traceback" not in done.stderr
    assert git(origin(a), "rev-parse", "tbd-sync").strip() == tip(a) and Path(a.path.parent / "x").exists()
    sync(b)
    assert fields(b, x)["title"] == "T"
