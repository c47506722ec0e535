"""Repositories and gits of other kinds than the usual: each takes part like any other (faults.md D4, D9-D12, D15)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, git, new_git
from kernel.test_sync import Clones, attic, fields, of_the_user, origin, settle, sync, tip
from tbdx.kernel import setup
from tbdx.store import git as store_git
from tbdx.store.worktree import SCAFFOLD

At = Callable[[Path], Clone]


def takes_part(a: Clone, b: Clone) -> None:
    """Edits go there and back, and two of one field meet."""
    x = a.create("T", "-l", "base", "-d", "one\ntwo")
    settle(a, b)
    a.run("update", x, "--title", "from a", "--add-label", "a")
    b.run("update", x, "--title", "from b", "--remove-label", "base")
    settle(a, b)
    for clone in (a, b):
        assert fields(clone, x)["labels"] == ["a"]
        assert {fields(clone, x)["title"], attic(clone, x)["title"]} == {"from a", "from b"}
    assert a.run("doctor").code == b.run("doctor").code == 0


# repositories


@pytest.mark.parametrize("option", ["--object-format=sha256", "--ref-format=reftable"])
def test_other_hashes_and_other_stores_of_refs_make_no_difference(tmp_path: Path, at: At, option: str) -> None:
    done = subprocess.run(["git", "init", "-q", "--bare", option, "origin.git"], cwd=tmp_path, capture_output=True)
    if done.returncode:
        pytest.skip(f"this git has no {option.partition('=')[2]}")
    made = []
    for name in ("a", "b"):
        git(tmp_path, "init", "-q", option, name)
        clone = at(new_git(tmp_path / name))
        clone.git("remote", "add", "origin", str(tmp_path / "origin.git"))
        setup.init(clone.kernel, "test")
        made.append(clone)
    takes_part(*made)


def test_settings_of_one_worktree_alone_make_no_difference(clones: Clones, at: At) -> None:
    a, b = clones
    a.git("config", "extensions.worktreeConfig", "true")
    a.git("worktree", "add", "-q", "../linked", "-b", "topic")
    linked = at(a.path.parent / "linked")
    for clone in (a, linked):
        for setting in ("core.sparseCheckout=true", "core.autocrlf=true", "user.name=", "core.bare=false"):
            clone.git("config", "--worktree", *setting.split("="))
    takes_part(linked, b)
    assert tip(a) == tip(b)


def test_a_clone_that_borrows_its_objects_takes_part(clones: Clones, at: At) -> None:
    a, _ = clones
    a.create("Before")
    sync(a)
    git(a.path.parent, "clone", "-q", "--shared", str(origin(a)), "c")
    c = at(a.path.parent / "c")
    assert (c.path / ".git/objects/info/alternates").exists()
    takes_part(a, c)


def test_replaced_objects_and_grafts_say_nothing_of_our_branch(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--title", "U")
    sync(a)
    name = a.file(x).name
    blobs = [a.git("rev-parse", f"{at}:.tbd/data-sync/issues/{name}").strip() for at in ("tbd-sync", "tbd-sync~1")]
    a.git("replace", *blobs)
    a.git("replace", "tbd-sync", "main")
    b.run("update", x, "--priority", "0")
    sync(b)
    a.git("fetch", "-q", "origin", "tbd-sync:refs/remotes/origin/tbd-sync")
    (a.path / ".git/info").mkdir(exist_ok=True)
    (a.path / ".git/info/grafts").write_text(a.git("rev-parse", "origin/tbd-sync"))  # as if it had no parents
    a.run("update", x, "--add-label", "a")
    settle(a, b)
    assert (fields(a, x)["title"], fields(a, x)["priority"]) == ("U", 0) and a.json("attic", "list") == []
    assert a.git("replace", "-l").count("\n") == 2


def test_loose_refs_are_never_needed(clones: Clones) -> None:
    a, b = clones
    a.create("T")
    sync(a, b)
    for clone in clones:
        clone.git("pack-refs", "--all", "--prune")
    assert not (a.path / ".git/refs/heads/tbd-sync").exists()
    takes_part(a, b)


# remotes


def test_a_mirror_is_a_remote_like_any_other_and_no_place_for_a_tracker(clones: Clones, at: At) -> None:  # D7
    a, b = clones
    x = a.create("T")
    sync(a, b)
    git(a.path.parent, "clone", "-q", "--mirror", str(origin(a)), "mirror.git")
    mirror = at(a.path.parent / "mirror.git")
    done = mirror.run("list")
    assert done.code == 1 and "bare git repository" in done.err
    for clone in clones:
        clone.git("remote", "set-url", "origin", str(mirror.path))
    a.run("update", x, "--title", "from a")
    b.run("update", x, "--priority", "0")
    for clone in (a, b, a):
        sync(clone)
    assert tip(a) == tip(b) == mirror.git("rev-parse", "tbd-sync").strip() != git(origin(a), "rev-parse", "tbd-sync")
    git(mirror.path, "push", "-q", "origin")  # as mirrors do: every ref of its own
    assert git(origin(a), "rev-parse", "tbd-sync").strip() == tip(a)


def test_a_worktree_of_a_mirror_takes_part(clones: Clones, at: At) -> None:  # D7
    a, b = clones
    a.create("Before")
    sync(a, b)
    git(a.path.parent, "clone", "-q", "--mirror", str(origin(a)), "mirror.git")
    git(a.path.parent / "mirror.git", "worktree", "add", "-q", "../c", "main")
    c = at(a.path.parent / "c")
    takes_part(c, b)
    c.create("Late")
    assert c.json("sync")["summary"]["sent"]["new"] == 1
    settle(c, a)


def test_of_several_remotes_the_one_of_the_settings_is_used_whatever_git_would_push_to(clones: Clones) -> None:
    a, b = clones
    git(a.path.parent, "init", "-q", "--bare", "other.git")
    a.git("remote", "add", "other", str(a.path.parent / "other.git"))
    for setting in ("remote.pushDefault=other", "branch.tbd-sync.remote=other", "branch.tbd-sync.pushRemote=other"):
        a.git("config", *setting.split("="))
    a.git("config", "branch.tbd-sync.merge", "refs/heads/elsewhere")
    takes_part(a, b)
    assert git(a.path.parent / "other.git", "for-each-ref") == ""


def test_a_push_that_goes_to_another_place_than_the_fetch_is_not_called_published(clones: Clones) -> None:
    a, _ = clones
    git(a.path.parent, "clone", "-q", "--bare", str(origin(a)), "mirror.git")
    a.git("config", "remote.origin.pushurl", str(a.path.parent / "mirror.git"))
    a.create("T")
    done = a.run("sync")
    assert done.code == 6 and "took the push and does not show it" in done.err


@pytest.mark.parametrize(
    "url", ["ext::touch canary", "ext::sh -c 'touch canary'", "-upload-pack=touch canary", "fd::17", "canary::x"]
)
def test_an_address_that_runs_a_program_is_refused(clones: Clones, url: str) -> None:
    a, _ = clones
    a.git("config", "remote.origin.url", url)
    a.create("T")
    for argv in (["sync"], ["sync", "--status"], ["doctor", "--fix"]):
        a.run(*argv)
    done = a.run("sync", "--json")
    assert done.code == 6 and json.loads(done.out)["reason"] == "unreachable", done
    assert not list(a.path.parent.rglob("canary"))


# branches


@pytest.mark.parametrize("way", ["merge", "rebase onto"])
def test_a_main_branch_that_took_the_sync_branch_in_by_accident_is_the_users_own(clones: Clones, way: str) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    if way == "merge":
        a.git("merge", "-q", "--no-edit", "--allow-unrelated-histories", "tbd-sync")
    else:
        a.git("checkout", "-q", "-B", "main", "tbd-sync")
        a.git("read-tree", "-m", "-u", "origin/main")
        a.git("commit", "-qm", "as before")
        a.git("checkout", "-q", "tbd-sync~0", "--", ".tbd/data-sync")
        a.git("commit", "-qm", "and the tracker")
    copy = a.path / ".tbd/data-sync/issues" / a.file(x).name
    before = of_the_user(a)
    assert copy.exists() and a.run("update", x, "--title", "U").code == 0
    settle(a, b)
    assert fields(b, x)["title"] == "U" and "title: T" in copy.read_text() and of_the_user(a) == before
    assert set(git(origin(a), "ls-tree", "--name-only", "tbd-sync").split()) == {".tbd"}


def test_a_sync_branch_that_took_the_main_branch_in_by_accident_goes_on(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    place = a.path / ".git/tbd/data-sync-worktree"
    git(place, "merge", "-q", "--no-edit", "--allow-unrelated-histories", "main")
    assert (place / "README.md").exists()
    b.run("update", x, "--title", "U")
    settle(a, b)
    assert fields(a, x)["title"] == "U" and (a.path / ".git/tbd/data-sync-worktree/README.md").exists()
    assert not (b.path / ".git/tbd/data-sync-worktree/README.md").exists()


def test_a_branch_that_only_some_may_push_is_diagnosed_and_everything_kept(clones: Clones) -> None:
    a, b = clones
    sync(b)
    origin(a).joinpath("hooks").mkdir(exist_ok=True)
    hook = origin(a) / "hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/tbd-sync ] || { echo "protected branch" >&2; exit 1; }\n')
    hook.chmod(0o755)
    a.create("T")
    done = a.run("sync", "--json")
    said = json.loads(done.err.splitlines()[-1])
    assert (
        done.code == 6 and "protected branch" in said["error"] and "any other clone's sync takes it in" in said["hint"]
    )
    hook.unlink()
    settle(a, b)


# gits


@pytest.mark.parametrize(
    "said, numbers",
    [
        ("2.25.1", (2, 25)),
        ("2.34.1", (2, 34)),
        ("2.39.5 (Apple Git-154)", (2, 39)),
        ("2.45.1.windows.1", (2, 45)),
        ("2.45.2.vfs.0.0", (2, 45)),
        ("2.55.GIT", (2, 55)),
        ("2.50.0-rc1", (2, 50)),
        ("2.50.rc0", (2, 50)),
        ("2.43.0-rc0-34-g79f2338b37", (2, 43)),
        ("3.0.0", (3, 0)),
        ("nonsense", (0,)),
    ],
)
def test_a_version_is_read_however_it_is_spelled(tmp_path: Path, said: str, numbers: tuple[int, ...]) -> None:
    (tmp_path / "git").write_text(f"#!/bin/sh\necho 'git version {said}'\n")
    (tmp_path / "git").chmod(0o755)
    assert store_git.version({"PATH": str(tmp_path)}) == (said, numbers)


def test_the_scaffold_is_all_that_a_new_branch_holds(repo: Clone) -> None:
    assert set(repo.git("ls-tree", "-r", "--name-only", "tbd-sync").split()) == set(SCAFFOLD)
