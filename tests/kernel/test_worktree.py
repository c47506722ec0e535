"""The hidden worktree comes into being by itself: from the local branch, else the remote's, else a first commit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git, new_git
from tbdx.kernel import setup
from tbdx.store import git as store_git

Clones = tuple[Clone, Clone]
NOTICE = "worktree was missing"


def remove(clone: Clone) -> None:
    clone.git("worktree", "remove", "--force", clone.kernel.repo.worktree)


def tip(clone: Clone) -> str:
    return clone.git("rev-parse", "refs/heads/tbd-sync").strip()


def test_a_fresh_clone_makes_it_from_the_remote_and_says_so_once(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    assert a.run("sync").code == 0
    done = b.run("list")
    assert done.code == 0 and x in done.out and NOTICE in done.err
    assert NOTICE not in b.run("list").err
    assert tip(b) == tip(a)


def test_quiet_leaves_the_notice_out(clones: Clones) -> None:
    assert clones[1].run("list", "--quiet").err == ""


def test_one_that_was_removed_is_made_again_from_the_branch(clones: Clones) -> None:
    a, _ = clones
    x = a.create("T")
    a.run("sync")
    remove(a)
    assert not a.data.exists()
    assert a.json("show", x)["title"] == "T"


def test_git_sees_a_clean_worktree_on_the_sync_branch(clones: Clones) -> None:
    a, b = clones
    a.create("T")
    a.run("sync")
    b.run("list")
    for clone in clones:
        place = Path(clone.kernel.repo.worktree)
        assert git(place, "status", "--porcelain") == ""
        assert git(place, "symbolic-ref", "HEAD").strip() == "refs/heads/tbd-sync"
        assert sorted(git(place, "ls-files").split())[:1] == [".tbd/data-sync/issues/.gitkeep"]


def test_two_beginnings_are_the_same_commit(tmp_path: Path, at: Callable[[Path], Clone]) -> None:
    tips = []
    for name in ("one", "two"):
        clone = at(new_git(tmp_path / name))
        clone.git("config", "user.name", name)
        setup.init(clone.kernel, "test")
        tips.append(tip(clone))
    assert tips[0] == tips[1]


def test_two_clones_that_begin_apart_meet_without_a_merge(tmp_path: Path, at: Callable[[Path], Clone]) -> None:
    git(tmp_path, "init", "-q", "--bare", "o.git")
    made = []
    for name in ("one", "two"):
        clone = at(new_git(tmp_path / name))
        setup.init(clone.kernel, "test")
        clone.git("remote", "add", "origin", str(tmp_path / "o.git"))
        made.append((clone, clone.create(f"from {name}")))
    for clone, _ in (*made, *made):
        assert clone.run("sync").code == 0
    for clone, _ in made:
        assert sorted(row["title"] for row in clone.json("list")) == ["from one", "from two"]


def test_a_local_branch_is_adopted_as_it_is(bare_git: Clone) -> None:
    blob = bare_git.git("hash-object", "-w", "--stdin").strip()
    bare_git.git("update-index", "--add", "--cacheinfo", f"100644,{blob},.tbd/data-sync/bridge/x.yml")
    made = bare_git.git("commit-tree", bare_git.git("write-tree").strip(), "-m", "by another").strip()
    bare_git.git("reset", "-q", "--hard")
    bare_git.git("update-ref", "refs/heads/tbd-sync", made)
    setup.init(bare_git.kernel, "test")
    assert tip(bare_git) == made and (bare_git.data / "bridge/x.yml").read_bytes() == b""
    bare_git.create("T")


def test_a_branch_and_a_remote_of_other_names_are_remembered(bare_git: Clone) -> None:  # tbd.md §13b.4: mended
    git(bare_git.path.parent, "init", "-q", "--bare", "o.git")
    bare_git.git("remote", "add", "upstream", str(bare_git.path.parent / "o.git"))
    assert bare_git.run("init", "--prefix", "test", "--sync-branch", "issues", "--remote", "upstream").code == 0
    x = bare_git.create("T")
    assert bare_git.json("sync")["summary"]["sent"]["new"] == 2
    assert bare_git.kernel.need(x) in git(bare_git.path.parent / "o.git", "ls-tree", "-r", "--name-only", "issues")
    assert bare_git.git("for-each-ref", "refs/heads/tbd-sync") == ""


def test_with_the_remote_unreachable_and_unknown_nothing_is_begun(clones: Clones) -> None:
    _, b = clones
    b.git("update-ref", "-d", "refs/remotes/origin/tbd-sync")
    b.git("remote", "set-url", "origin", "/nowhere")
    done = b.run("list")
    assert done.code == 1 and "is not known" in done.err and "cannot be reached" in done.err
    assert b.git("for-each-ref", "refs/heads/tbd-sync") == ""


def test_with_the_remote_unreachable_what_was_last_fetched_serves(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    a.run("sync")
    b.git("fetch", "-q")
    b.git("remote", "set-url", "origin", "/nowhere")
    done = b.run("list")
    assert done.code == 0 and x in done.out and "last fetched" in done.err


def test_files_where_the_worktree_should_be_are_left_alone(clones: Clones) -> None:
    _, b = clones
    place = Path(b.kernel.repo.worktree)
    place.mkdir(parents=True)
    (place / "mine").write_text("x")
    done = b.run("list")
    assert done.code == 1 and "not a git worktree" in done.err and (place / "mine").read_text() == "x"


def test_a_branch_that_is_checked_out_elsewhere_is_named(repo: Clone) -> None:
    remove(repo)
    repo.git("worktree", "add", "-q", "../elsewhere", "tbd-sync")
    done = repo.run("list")
    assert done.code == 1 and "is checked out at" in done.err and "elsewhere" in done.err


def test_hooks_of_the_users_are_not_run(clones: Clones) -> None:
    _, b = clones
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        hook = b.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {b.path}/ran\nexit 1\n")
        hook.chmod(0o755)
    assert b.run("list").code == 0 and not (b.path / "ran").exists()


@pytest.mark.parametrize("setting", ["core.autocrlf=true", "core.sparseCheckout=true", "core.splitIndex=true"])
def test_files_are_written_as_the_branch_has_them(clones: Clones, setting: str) -> None:
    a, b = clones
    a.create("T", "-d", "one\ntwo")
    a.run("sync")
    b.git("config", *setting.split("="))
    b.run("list")
    assert {p.name: p.read_bytes() for p in (b.data / "issues").iterdir()} == {
        p.name: p.read_bytes() for p in (a.data / "issues").iterdir()
    }


def test_what_is_no_plain_data_file_on_the_branch_is_left_out_and_named(clones: Clones) -> None:
    a, b = clones
    g = a.kernel.git
    blob = g.hash_all([b"x"])[0]
    env = {"GIT_INDEX_FILE": f"{a.path}/.git/odd-index"}
    g.ask("read-tree", tip(a), env=env)
    names = {"120000": ".tbd/data-sync/link", "100755": ".tbd/data-sync/run", "100644": "outside.txt"}
    for mode, path in names.items():
        g.ask("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", env=env)
    tree = g.ask("write-tree", env=env).decode().strip()
    made = a.git("commit-tree", tree, "-p", tip(a), "-m", "odd").strip()
    a.git("push", "-q", "origin", f"{made}:refs/heads/tbd-sync")
    done = b.run("list")
    assert done.code == 0 and all(path in done.err for path in names.values())
    place = Path(b.kernel.repo.worktree)
    assert not any(os.path.lexists(place / path) for path in names.values())
    b.create("T")
    assert b.run("sync").code == 0
    assert set(names.values()) <= set(b.kernel.git.tree(tip(b)))  # and they stay on the branch


def test_it_is_shared_by_linked_worktrees(repo: Clone, at: Callable[[Path], Clone]) -> None:
    repo.git("add", ".tbd")
    repo.git("commit", "-qm", "tracker")
    repo.git("worktree", "add", "-q", "../linked", "-b", "topic")
    linked = at(repo.path.parent / "linked")
    x = linked.create("T")
    assert repo.json("show", x)["title"] == "T" and linked.data == repo.data


def test_first_commands_at_one_moment_make_one_worktree(clones: Clones) -> None:
    a, b = clones
    a.create("T")
    a.run("sync")
    argv = [sys.executable, "-m", "tbdx", "create", "x"]
    running = [subprocess.Popen(argv, cwd=b.path, stdout=-1, stderr=-1) for _ in range(4)]
    ends = [(p.communicate(), p.returncode) for p in running]
    assert [code for _, code in ends] == [0] * 4, ends
    assert sorted(r["title"] for r in b.json("list")) == ["T", *"xxxx"], (
        ends,
        os.listdir(b.data / "issues"),
        b.run("list").err,
    )
    assert b.git("worktree", "list").count("data-sync-worktree") == 1
    assert store_git.describe(str(b.path))["branch"] == "main"
