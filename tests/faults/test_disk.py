"""Disks that are full, read-only or several, few descriptors, locks that nobody gives back (faults.md B and C10)."""

from __future__ import annotations

import ctypes
import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import Clone, alone, git, new_git, some_of
from damage import ISSUE, ulid
from kernel.test_sync import Clones, attic, fields, settle, start, sync, tip
from store.test_lock import ended, hold
from tbdx.kernel import setup
from tbdx.store import lock as locks

LIMITED = """import os, resource, sys
which, n = getattr(resource, sys.argv[1]), int(sys.argv[2])
resource.setrlimit(which, (n, n))
os.execv(sys.argv[3], sys.argv[3:])"""


def limited(cwd: Path, limit: str, n: int, *argv: str) -> subprocess.CompletedProcess[str]:
    """A command under one of the system's limits."""
    line = [sys.executable, "-c", LIMITED, limit, str(n), sys.executable, "-m", "tbdx", *argv]
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # a Python before 3.13.1 leaves it cut short, for everybody
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def told(done: subprocess.CompletedProcess[str], *codes: str) -> str:
    """The code of a command that failed in its own words, one of those."""
    assert done.returncode == 1 and "Traceback" not in done.stderr, done
    said = json.loads(done.stderr.splitlines()[-1])
    assert said["code"] in codes, said
    return str(said["code"])


@functools.cache
def alone_with_mounts() -> None:
    """Give this process a mount namespace of its own."""
    new_namespace = 0x20000  # CLONE_NEWNS; os.unshare comes with Python 3.12
    if ctypes.CDLL(None).unshare(new_namespace) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[Path]:
    """A file system of its own at a folder, which goes with this process at the latest: nobody else sees it."""
    place.mkdir(parents=True, exist_ok=True)
    alone_with_mounts()
    done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def empty_files(clone: Clone) -> list[Path]:
    return [p for p in clone.data.rglob("*") if p.is_file() and not p.stat().st_size and p.name != ".gitkeep"]


# full, and small


@pytest.mark.parametrize("n", some_of([1, 4096, 32768], 2))
def test_a_file_that_may_not_grow_leaves_the_old_one(clones: Clones, n: int) -> None:  # B1
    a, b = clones
    x = a.create("x")
    sync(a, b)
    long = "-d" + "long\n" * 8000
    a.run("update", x, "--notes", "pending")
    before, head = a.file(x).read_text(), tip(a)
    commands = [["update", x, long], ["create", "y", long]] + ([["sync"]] if n == 1 else [])
    for argv in commands:
        told(limited(a.path, "RLIMIT_FSIZE", n, *argv, "--json"), "disk")
        assert a.file(x).read_text() == before and tip(a) == head and empty_files(a) == []
    done = limited(a.path, "RLIMIT_FSIZE", n, "sync", "--json")
    assert done.returncode == 0 or told(done, "disk", "git")
    assert a.file(x).read_text() == before and empty_files(a) == []
    a.create("after")
    settle(a, b)
    assert {row["title"] for row in b.json("list")} == {"x", "after"} and fields(b, x)["notes"] == "pending"


def fill(place: Path, what: str, left: int) -> list[Path]:
    """Take all of a disk's bytes but so many, or all of its names."""
    room = os.statvfs(place)
    made = [place / "filler"]
    made[0].write_bytes(b"x" * max(0, room.f_bavail * room.f_frsize - left) if what == "bytes" else b"")
    while what == "names" and os.statvfs(place).f_ffree > left:
        made.append(place / f"filler{len(made)}")
        made[-1].touch()
    return made


@pytest.mark.parametrize("what, left", [("bytes", 0), ("bytes", 24 << 10), ("names", 0), ("names", 1)])
def test_a_full_disk_is_told_and_costs_nothing(
    tmp_path: Path, at: Callable[[Path], Clone], what: str, left: int
) -> None:
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=3m,nr_inodes=600", "none") as small:  # B2, B9
        place = new_git(small / "a")
        setup.init(alone(place), "test")
        clone = at(place)
        x = clone.create("x")
        clone.run("sync")
        clone.run("update", x, "--notes", "pending")
        before, head = clone.file(x).read_text(), tip(clone)
        filler = fill(small, what, left)
        long = "-d" + "long\n" * 8000
        for argv in (["update", x, long], ["create", "y", long], ["sync"]):
            done = clone.run(*argv, "--json")
            assert done.code == 1 and "Traceback" not in done.err, done
            said = json.loads(done.err.splitlines()[-1])
            assert said["code"] in (("disk", "git") if argv == ["sync"] else ("disk",)), said
            assert clone.file(x).read_text() == before and tip(clone) == head and empty_files(clone) == []
        assert [row["title"] for row in clone.json("list")] == ["x"]
        for path in filler:
            path.unlink()
        clone.create("after")
        assert clone.run("sync").code == 0 and tip(clone) != head
        assert {row["title"] for row in clone.json("list")} == {"x", "after"} and fields(clone, x)["notes"] == "pending"
        assert git(place, "fsck", "--strict", "--no-dangling") == ""


# read-only, and several


def test_a_disk_mounted_read_only_is_read_and_not_written(repo: Clone) -> None:  # B4
    x = repo.create("x")
    with mounted(repo.path, "--bind", str(repo.path)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(repo.path)], check=True)
        for argv in (["list"], ["show", x], ["ready"], ["search", "x"], ["status"], ["label", "list"]):
            done = repo.run(*argv)
            assert done.code == 0 and done.err == "", (argv, done)
        for argv in (["create", "y"], ["close", x], ["sync"], ["doctor", "--fix"]):
            done = repo.run(*argv, "--json")
            said = json.loads(done.err.splitlines()[-1])
            assert done.code == 1 and said["code"] == "disk" and "not writable" in said["hint"], (argv, said)
    assert repo.run("create", "y").code == 0


@pytest.mark.parametrize("which", [".git/tbd", ".git/tbdx", ".git/worktrees"])
def test_a_tracker_on_several_disks_is_one(clones: Clones, which: str) -> None:  # B5
    a, b = clones
    with mounted(b.path / which, "-t", "tmpfs", "none"):
        x = a.create("x")
        sync(a)
        assert [row["title"] for row in b.json("list")] == ["x"]
        b.run("update", x, "--title", "from b")
        a.run("update", x, "--title", "from a")
        y = b.create("y")
        sync(b, a, b)
        assert (fields(b, x)["title"], attic(b, x)["title"]) == ("from a", "from b")
        for argv in (["save", "--workspace", "w"], ["bundle", "create", "../x.bundle"], ["doctor", "--fix"]):
            assert b.run(*argv).code == 0, argv
        assert fields(a, y)["title"] == "y" and b.run("doctor").code == 0


def test_a_worktree_of_a_bare_repository_has_a_tracker(clones: Clones, at: Callable[[Path], Clone]) -> None:  # B5
    a, b = clones
    where = a.path.parent
    git(where, "clone", "-q", "--bare", "origin.git", "bare.git")
    git(where / "bare.git", "worktree", "add", "-q", "../c", "main")
    c = at(where / "c")
    x = c.create("from a bare repository's worktree")
    settle(c, b)
    assert fields(b, x)["title"] == "from a bare repository's worktree" and c.run("doctor").code == 0


def test_few_descriptors_are_enough_for_many_issues(repo: Clone) -> None:  # B8
    for n in range(5000):
        name = f"is-{ulid(n)}"
        (repo.data / f"issues/{name}.md").write_text(ISSUE.format(id=name, title=f"issue {n}"))
    for argv in (["create", "one more"], ["sync"], ["search", "issue 4999"], ["list", "--json"]):
        done = limited(repo.path, "RLIMIT_NOFILE", 64, *argv)
        assert done.returncode == 0, (argv, done.stderr[-500:])
    assert len(json.loads(done.stdout)) == 5001


def test_no_place_for_temporary_files_and_no_home_are_needed(
    clones: Clones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # B9
    a, b = clones
    x = a.create("x")
    sync(a, b)
    with mounted(tmp_path / "fixed", "-t", "tmpfs", "-o", "ro", "none") as fixed:
        for name in ("HOME", "TMPDIR", "TMP", "TEMP", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(name, str(fixed))
        b.run("update", x, "--title", "from b")
        sync(b)
        a.run("update", x, "--title", "from a")
        for argv in (["sync"], ["bundle", "create", "../x.bundle"], ["save", "--dir", "../copy"], ["doctor", "--fix"]):
            child = start(a, *argv)
            said = child.communicate(timeout=60)
            assert child.returncode == 0 and not said[1], (argv, said)
        settle(a, b)


# locks that nobody gives back


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command waits for the lock for a moment only."""
    monkeypatch.setitem(locks.Lock.__init__.__kwdefaults__, "wait_s", 0.2)


def test_the_lock_of_another_host_is_named_and_left(repo: Clone, impatient: None) -> None:  # B10
    lock = repo.kernel.repo.lock
    hold(lock, host="elsewhere", pid=ended(), boot="another", started="1", age_s=7200)
    done = repo.run("create", "x", "--json")
    said = json.loads(done.err)
    assert done.code == 1 and said["code"] == "locked", said
    assert "on elsewhere" in said["error"] and "touched 7200 s ago" in said["error"] and "process" in said["error"]
    assert os.path.exists(f"{lock}/owner/record") and repo.json("list") == []


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EIO], ids=["ESTALE", "EIO"])
@pytest.mark.parametrize("held", [False, True], ids=["free", "of a dead process"])
def test_a_disk_that_renames_no_lock_is_told(
    repo: Clone, impatient: None, monkeypatch: pytest.MonkeyPatch, number: int, held: bool
) -> None:  # B10
    lock, rename = repo.kernel.repo.lock, os.rename
    if held:
        hold(lock, pid=ended(), boot=locks._boot_id(), started="1")

    def stale(old: str, new: str) -> None:
        if old.startswith(lock):
            raise OSError(number, os.strerror(number))
        rename(old, new)

    monkeypatch.setattr(os, "rename", stale)
    done = repo.run("create", "x", "--json")
    said = json.loads(done.err)
    assert done.code == 1 and said["code"] == ("locked" if held else "disk") and lock in said["error"], said
    assert held or os.strerror(number) in said["error"]
    monkeypatch.setattr(os, "rename", rename)
    repo.create("x")
    assert [row["title"] for row in repo.json("list")] == ["x"]


# stands for git on PATH: before a branch is moved it stops tbdx and itself, once
STOPPING = """#!/bin/sh
case " $* " in *" update-ref "*)
  if mkdir "$HOME/stopped" 2>/dev/null; then echo $PPID $$ >"$HOME/pids"; kill -STOP $PPID $$; fi
esac
exec {git} "$@"
"""


def test_a_holder_that_was_stopped_is_named_and_redoes_what_others_overtook(
    clones: Clones, impatient: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # C10
    a, b = clones
    x = a.create("x")
    sync(a, b)
    a.run("update", x, "--notes", "pending")
    folder, path = tmp_path / "bin", os.environ["PATH"]
    folder.mkdir()
    (folder / "git").write_text(STOPPING.format(git=shutil.which("git")))
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{path}")
    holder = start(a, "sync")
    monkeypatch.setenv("PATH", path)
    pids, until = tmp_path / "home/pids", time.monotonic() + 20
    while not (pids.exists() and pids.read_text().endswith("\n")) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    stopped = [int(pid) for pid in pids.read_text().split()]
    try:
        done = a.run("create", "waited in vain", "--json")
        said = json.loads(done.err)
        assert done.code == 1 and said["code"] == "locked", said
        assert f"held by process {holder.pid} on" in said["error"] and "tbdx sync" in said["error"], said
        assert "touched" in said["error"] and "s ago" in said["error"]
        os.rename(a.kernel.repo.lock, f"{tmp_path}/taken")  # as one does who cannot see that it still lives
        a.create("overtook")
        sync(a)
        overtook = tip(a)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    out = holder.communicate(timeout=30)
    assert holder.returncode == 0, out
    assert a.git("merge-base", "--is-ancestor", overtook, "tbd-sync") == ""
    settle(a, b)
    assert {row["title"] for row in b.json("list")} == {"x", "overtook"} and fields(b, x)["notes"] == "pending"
