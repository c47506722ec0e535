"""What a finished call wrote outlives a power loss: a file is flushed before its name, a folder after its names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git
from crash.tracing import needed
from tbdx.store import files, journal
from tbdx.store.git import Git
from tbdx.store.layout import Repo
from tbdx.store.objects import PACK_FROM


def plain(path: str) -> str:
    """The last name of a path; every temporary file is called `temporary`."""
    name = os.path.basename(path)
    return "temporary" if name.endswith(".tmp") else name


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens on the disk, in its order."""
    out: list[str] = []

    def noting(module: object, name: str, which: int) -> None:
        real = getattr(module, name)

        def note(*args: str) -> object:
            out.append(f"{name} {plain(args[which])}")
            return real(*args)

        monkeypatch.setattr(module, name, note)

    for name, which in {"replace": 1, "link": 1, "mkdir": 0, "unlink": 0}.items():
        noting(os, name, which)
    noting(shutil, "move", 1)
    noting(shutil, "rmtree", 0)
    fsync = os.fsync

    def flush(fd: int) -> None:
        out.append(f"flush {plain(os.readlink(f'/proc/self/fd/{fd}'))}")
        fsync(fd)

    monkeypatch.setattr(os, "fsync", flush)
    return out


ENDS: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "write": (lambda d: files.write(f"{d}/f", b"x"), ["flush temporary", "replace f", "flush d"]),
    "create": (
        lambda d: files.create(f"{d}/new", b"x", scratch=f"{d}/e"),
        ["flush temporary", "link new", "flush d", "unlink temporary"],
    ),
    "remove": (lambda d: files.remove(f"{d}/f"), ["unlink f", "flush d"]),
    "remove_tree": (lambda d: files.remove_tree(f"{d}/e"), ["rmtree e", "flush d"]),
    "move": (lambda d: files.move(f"{d}/f", f"{d}/e/f"), ["move f", "flush d", "flush e"]),
    "make_folder": (lambda d: files.make_folder(f"{d}/x/y"), ["mkdir x", "flush d", "mkdir y", "flush x"]),
    "flush": (lambda d: files.flush(f"{d}/f"), ["flush f"]),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_a_call_wrote_is_flushed_in_order(tmp_path: Path, events: list[str], name: str) -> None:
    folder = tmp_path / "d"
    (folder / "e").mkdir(parents=True)
    (folder / "f").write_text("old")
    events.clear()
    act, expected = ENDS[name]
    act(str(folder))
    assert (events[:1] + sorted(events[1:]) if name == "move" else events) == expected


def test_a_new_journal_and_its_folders_are_flushed_with_its_first_event(tmp_path: Path, events: list[str]) -> None:
    repo = Repo(str(tmp_path), str(tmp_path), str(tmp_path))
    journal.append(repo, "w~0123456789abc", None, [b"x" * journal.SEAL, b"y"])
    assert events == [
        "mkdir tbdx",
        f"flush {tmp_path.name}",
        "mkdir journal",
        "flush tbdx",
        "flush w~0123456789abc.jsonl",
        "flush journal",
        "mkdir w~0123456789abc",
        "flush journal",
        "flush 2.jsonl",
        "flush w~0123456789abc",
    ]


def test_what_goes_to_another_disk_is_flushed_there(
    tmp_path: Path, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, folder = os.replace, tmp_path / "d"
    folder.mkdir()

    def across(a: str, b: str) -> None:
        if os.path.dirname(a) != os.path.dirname(b):
            raise OSError(18, "Invalid cross-device link")
        replace(a, b)

    monkeypatch.setattr(os, "replace", across)
    files.write(str(folder / "f"), b"new", scratch=str(tmp_path))
    assert events[-3:] == ["flush temporary", "replace f", "flush d"]


# git

WATCHED = """#!/bin/sh
exec strace -f -y -qq -e trace=fsync,fdatasync -o {log}/$$ {git} "$@"
"""
# a git from before 2.36, which does not know of core.fsync
OLD = """#!/bin/sh
for arg; do shift; case "$arg" in core.fsync=*) arg=x.y=z;; esac; set -- "$@" "$arg"; done
exec strace -f -y -qq -e trace=fsync,fdatasync -o {log}/$$ {git} "$@"
"""


class Watched:
    """A repository whose git is looked at: `flushed` tells the paths in .git that it flushed."""

    def __init__(self, clone: Clone, tmp_path: Path, script: str) -> None:
        needed()
        self.log, folder = tmp_path / "log", tmp_path / "bin"
        self.log.mkdir()
        folder.mkdir()
        (folder / "git").write_text(script.format(log=self.log, git=shutil.which("git")))
        (folder / "git").chmod(0o755)
        dot = str(clone.path / ".git")
        if script == WATCHED:  # whatever the user's settings say
            clone.git("config", "core.fsync", "none")
        env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
        self.git = Git(Repo(str(clone.path), dot, dot), env)

    def flushed(self, act: Callable[[Git], object]) -> str:
        for path in self.log.iterdir():
            path.unlink()
        act(self.git)
        found = {
            x for path in self.log.iterdir() for x in re.findall(r"sync\(\d+<.*?/\.git/([^>]*)>", path.read_text())
        }
        return " ".join(sorted(found))


LOOSE = r"objects/(../)?tmp_obj_"


@pytest.mark.parametrize("script", [WATCHED, OLD], ids=["a git of today", "an old git"])
def test_git_flushes_the_objects_that_it_stores(bare_git: Clone, tmp_path: Path, script: str) -> None:
    watched = Watched(bare_git, tmp_path, script)
    g = watched.git
    blob, head = [""], [""]

    def store(g: Git) -> None:
        blob[:] = g.hash_all([b"one"])

    assert re.search(LOOSE, watched.flushed(store)), "hash-object"
    index = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    g.ask("update-index", "-z", "--index-info", stdin=f"100644 {blob[0]}\tx\0".encode(), env=index)
    assert re.search(LOOSE, watched.flushed(lambda g: g.ask("write-tree", env=index))), "write-tree"
    tree = g.ask("write-tree", env=index).decode().strip()

    def commit(g: Git) -> None:
        head[:] = [g.ask("commit-tree", tree, "-m", "m").decode().strip()]

    assert re.search(LOOSE, watched.flushed(commit)), "commit-tree"
    many = [str(n).encode() for n in range(PACK_FROM)]
    found = watched.flushed(lambda g: g.hash_all(many))
    assert "objects/pack/tmp_pack_" in found, "index-pack"


def test_git_flushes_the_refs_that_it_moves(clones: tuple[Clone, Clone], tmp_path: Path) -> None:
    a, b = clones
    watched = Watched(b, tmp_path, WATCHED)
    a.create("One")
    assert a.run("sync").code == 0
    there = git(a.path, "rev-parse", "tbd-sync").strip()
    found = watched.flushed(lambda g: g.fetch("origin", "tbd-sync", there))
    assert re.search(LOOSE, found) and "refs/remotes/origin/tbd-sync.lock" in found, "fetch"
    found = watched.flushed(lambda g: g.move_refs({"refs/heads/x": (there, None)}))
    assert "refs/heads/x.lock" in found, "update-ref"
    found = watched.flushed(lambda g: g.push("origin", "y", there))
    assert "refs/remotes/origin/y.lock" in found, "push"


def test_git_flushes_what_comes_by_a_bundle(clones: tuple[Clone, Clone], tmp_path: Path) -> None:
    a, b = clones
    watched = Watched(b, tmp_path, WATCHED)
    a.create("One")
    assert a.run("bundle", "create", str(tmp_path / "x.bundle")).code == 0
    found = watched.flushed(lambda g: g.read_bundle(str(tmp_path / "x.bundle"), "tbd-sync"))
    assert "objects/pack/tmp_pack_" in found
    assert subprocess.run(["git", "fsck"], cwd=b.path, capture_output=True).returncode == 0


# what our commands have git write, and flush themselves


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that this process flushes."""
    out: list[str] = []
    fsync = os.fsync

    def flush(fd: int) -> None:
        out.append(os.readlink(f"/proc/self/fd/{fd}"))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", flush)
    return out


def was(flushed: list[str], *ends: str) -> bool:
    """Whether all of the files were; the last names of private ones differ each time."""
    return all(any(re.search(rf"/{end}$", path) for path in flushed) for end in ends)


TIE = [rf"worktrees/data-sync-worktree/{name}" for name in ("HEAD", "commondir", "gitdir")]


def test_a_new_worktree_is_flushed_with_its_tie_to_git(clones: tuple[Clone, Clone], flushed: list[str]) -> None:
    a, b = clones
    x = a.create("One")
    name = a.file(x).name
    a.run("sync")
    flushed.clear()
    assert b.run("list").code == 0
    assert was(flushed, "data-sync-worktree/.git", *TIE, r"tmp/index\.[^/]*", rf"issues/\.{name}\.[^/]*")


def test_a_worktree_that_is_tied_anew_is_flushed_with_its_tie(clones: tuple[Clone, Clone], flushed: list[str]) -> None:
    a, _ = clones
    Path(a.kernel.repo.worktree, ".git").unlink()
    flushed.clear()
    assert a.run("sync").code == 0
    assert was(flushed, *TIE, r"tmp/index\.[^/]*") and flushed.count(f"{a.kernel.repo.worktree}/.git")


def test_a_worktree_that_is_put_back_on_its_branch_has_its_head_flushed(
    clones: tuple[Clone, Clone], flushed: list[str]
) -> None:
    a, _ = clones
    git(Path(a.kernel.repo.worktree), "checkout", "-q", "--detach")
    flushed.clear()
    assert a.run("sync").code == 0
    assert was(flushed, TIE[0])


def test_what_a_sync_writes_is_flushed(clones: tuple[Clone, Clone], flushed: list[str]) -> None:
    a, b = clones
    x = a.create("One")
    name = a.file(x).name
    a.run("sync")
    b.run("list")
    a.run("update", x, "--title", "Two")
    a.run("sync")
    flushed.clear()
    assert b.run("sync").code == 0
    assert was(flushed, rf"tmp/\.{name}\.[^/]*", r"tmp/\.intent\.[^/]*", r"tmp/index\.[^/]*")


def test_a_bundle_is_flushed_before_it_has_its_name(clones: tuple[Clone, Clone], flushed: list[str]) -> None:
    assert clones[0].run("bundle", "create", "../x.bundle").code == 0
    assert was(flushed, r"tmp/bundle\.\d+")


def test_what_is_added_as_an_artifact_is_flushed(repo: Clone, flushed: list[str]) -> None:
    """A small content under its own name's temporary file, a large one as it was staged; and their folders."""
    for size, temporary, folder in (
        (10, r"tmp/\.[0-9a-f]{64}\.[^/]*", "artifacts/blobs"),
        (2 << 20, r"tmp/artifact\.[^/]*", ".git/tbdx/artifacts"),
    ):
        (repo.path / "a").write_bytes(b"x" * size)
        flushed.clear()
        made = repo.json("artifact", "add", "a")
        assert was(flushed, temporary, folder, rf"tmp/\.{made['artifact_id']}\.md\.[^/]*", r"data-sync/artifacts")


def test_the_repository_that_other_branches_are_looked_into_is_flushed(
    clones: tuple[Clone, Clone], flushed: list[str]
) -> None:
    a, b = clones
    b.git("push", "-q", "origin", "HEAD:topic")
    b.git("commit", "-q", "--allow-empty", "-m", "more")
    b.git("push", "-q", "origin", "HEAD:topic")
    assert a.run("sync").code == 0
    ends = [r"\.config\.[^/]*", "HEAD", r"objects/info/\.alternates\.[^/]*"]
    assert was(flushed, *(f"aside.git/{end}" for end in ends))
