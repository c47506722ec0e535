"""`doctor --fix` mends what it can without a loss, and says what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import Clone, git
from kernel.test_heal import backups, worktree
from kernel.test_sync import Clones, fields, origin, settle, sync, tip
from tbdx.core import merge


def fix(clone: Clone) -> list[str]:
    done = clone.run("doctor", "--fix", "--json")
    assert done.code == 0, done
    return list(json.loads(done.out).get("fixed", []))


def test_there_is_nothing_to_fix_where_all_is_well(clones: Clones) -> None:
    a, _ = clones
    a.create("T")
    sync(a)
    before = a.git("for-each-ref")
    assert fix(a) == [] and a.git("for-each-ref") == before
    assert "nothing that could be mended" in a.run("doctor", "--fix").out


def test_a_dry_run_fixes_nothing(clones: Clones) -> None:
    a, _ = clones
    sync(a)
    git(worktree(a), "checkout", "-q", "--detach")
    a.run("doctor", "--fix", "--dry-run")
    assert git(worktree(a), "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD"


def test_it_heals_the_worktree_without_a_remote_and_keeps_the_old_tip(clones: Clones) -> None:
    a, _ = clones
    first = tip(a)
    x = a.create("T")
    sync(a)
    old = tip(a)
    git(worktree(a), "checkout", "-q", "--detach", first)
    origin(a).rename(origin(a).with_suffix(".gone"))
    assert any("is on tbd-sync again" in said for said in fix(a))
    assert old in backups(a) and fields(a, x)["title"] == "T"
    assert fix(a) == []


def test_layout_locks_and_temporary_files_are_put_right_and_nothing_is_deleted(repo: Clone) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    layout = repo.path / ".git/tbd/layout.yml"
    layout.write_bytes(b"\0")
    left = repo.path / f".git/tbd/locks/data-sync.lock.owner-{'0' * 8}"
    left.mkdir(parents=True)
    (left / "record").write_text(json.dumps({"host": os.uname().nodename, "pid": ended.pid, "token": "t"}))
    old = repo.data / "issues/x.tmp"
    old.write_text("half")
    os.utime(old, (1, 1))
    assert len(fix(repo)) >= 3
    kept = " ".join(os.listdir(repo.path / ".git/tbdx/backup"))
    assert "layout.yml" in kept and "owner-00000000" in kept and "x.tmp" in kept
    assert "tbd_format: f08" in layout.read_text() and not left.exists() and not old.exists()
    assert fix(repo) == []


def blob_of(clone: Clone, shown: str) -> tuple[str, Path]:
    blob = clone.git("rev-parse", f"tbd-sync:{merge.ISSUES}{clone.file(shown).name}").strip()
    return blob, clone.path / f".git/objects/{blob[:2]}/{blob[2:]}"


def break_object(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("how", ["flipped", "missing"])
@pytest.mark.parametrize("helped_by", ["the worktree", "the remote"])
def test_a_damaged_object_is_whole_again(clones: Clones, how: str, helped_by: str) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    blob, path = blob_of(a, x)
    if how == "flipped":
        break_object(path)
    else:
        path.unlink()
    if helped_by == "the remote":
        a.run("update", x, "--title", "the file is another one now")
    assert any("whole again" in said for said in fix(a))
    assert a.git("cat-file", "-t", blob).strip() == "blob"
    if how == "flipped":
        assert [p for p in (a.path / ".git/tbdx/backup").iterdir() if blob[2:] in p.name]
    settle(a, b)


def test_a_damaged_object_of_the_users_stays_where_it_is(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    (a.path / "mine").write_text("of the user")
    a.git("add", "mine")
    name = a.git("rev-parse", ":mine").strip()
    mine = a.path / f".git/objects/{name[:2]}/{name[2:]}"
    break_object(mine)
    left = mine.read_bytes()
    ours = a.git("rev-parse", "tbd-sync^{tree}").strip()
    break_object(a.path / f".git/objects/{ours[:2]}/{ours[2:]}")
    assert any("whole again" in said for said in fix(a))
    assert mine.read_bytes() == left and a.json("show", x)["title"] == "T"
    settle(a, b)


def test_a_damaged_object_that_nobody_has_is_named_with_what_to_run(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--title", "U")
    blob, path = blob_of(a, x)
    break_object(path)
    moved = origin(a).rename(origin(a).with_suffix(".gone"))
    done = a.run("doctor", "--fix")
    assert done.code == 1 and "cannot be reached" in done.err
    b.run("bundle", "create", "../b.bundle")
    assert a.run("bundle", "apply", "../b.bundle").code == 0
    assert a.git("cat-file", "-t", blob).strip() == "blob"
    moved.rename(origin(a))


def test_a_sync_names_a_damaged_object_and_what_brings_it_back(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", "-l", "x")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    break_object(blob_of(a, x)[1])
    a.run("update", x, "--priority", "0")
    done = a.run("sync", "--json")
    assert done.code == 1 and "doctor --fix" in json.loads(done.err.splitlines()[-1])["hint"]
    fix(a)
    sync(a)
    settle(a, b)
    assert (fields(b, x)["title"], fields(b, x)["priority"]) == ("from b", 0)


def test_two_fixes_and_a_sync_at_once_take_their_turns(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    git(worktree(a), "checkout", "-q", "--detach")
    argv = ([sys.executable, "-m", "tbdx", *words] for words in (["doctor", "--fix"], ["doctor", "--fix"], ["sync"]))
    running = [subprocess.Popen(words, cwd=a.path, stdout=-1, stderr=-1) for words in argv]
    began = time.monotonic()
    ends = [(p.communicate(timeout=60), p.returncode) for p in running]
    assert [code for _, code in ends] == [0, 0, 0], ends
    assert time.monotonic() - began < 30
    settle(a, b)
    assert fields(a, x)["title"] == "T"
