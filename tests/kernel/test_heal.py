"""Whatever became of the hidden worktree, the branch or the remote: the next sync heals it, or names what to run."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from conftest import Clone, git, some_of
from kernel.test_sync import Clones, another, attic, fields, origin, put_by, settle, sync, tip
from killing import at as at_point
from killing import stopping
from tbdx.core import merge
from tbdx.kernel import pending
from tbdx.kernel import worktree as hidden
from tbdx.store.objects import BACKUP, STANDS_ON


def worktree(clone: Clone) -> Path:
    return Path(clone.kernel.repo.worktree)


def backups(clone: Clone) -> set[str]:
    return set(clone.kernel.git.refs(BACKUP).values())


def titles(clone: Clone) -> set[str]:
    return {row["title"] for row in clone.json("list", "--all")}


def apart(clones: Clones) -> str:
    """Both clones know an issue; the remote has a newer title of it, the first clone a pending priority."""
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    a.run("update", x, "--priority", "0")
    return x


def both_edits(clones: Clones, x: str) -> None:
    a, b = clones
    settle(a, b)
    for clone in clones:
        assert (fields(clone, x)["title"], fields(clone, x)["priority"]) == ("from b", 0)


# the worktree


def test_a_kill_while_a_worktree_is_put_back_on_its_branch_takes_nothing_back(clones: Clones) -> None:
    a, _ = clones
    x = apart(clones)
    a.run("update", x, "--title", "from a")
    sync(a)
    git(worktree(a), "checkout", "-q", "--detach", "HEAD~1")
    with stopping(at_point("git.update-ref", 2, "kill")) as stop:
        a.run("doctor", "--fix")
    assert stop.dead
    settle(*clones)
    assert attic(a, x)["title"] == "from b"


def test_a_bundle_that_is_applied_where_files_and_branch_were_apart_takes_nothing_back(clones: Clones) -> None:
    a, b = clones
    first = tip(a)
    x = a.create("only here")
    a.git("remote", "rename", "origin", "away")  # so that no remote gives it back
    sync(a)
    git(worktree(a), "checkout", "-q", "--detach", first)
    b.create("from b")
    b.run("bundle", "create", "../b.bundle")
    assert a.run("bundle", "apply", "../b.bundle").code == 0
    assert titles(a) == {"only here", "from b"} and fields(a, x)


def test_what_killed_commands_left_in_the_scratch_folder_goes_with_a_sync_when_it_is_old(clones: Clones) -> None:
    a, _ = clones
    scratch = Path(a.kernel.repo.scratch)
    for name in ("old.tmp", "new.tmp", "old/deep/x", "new/x"):
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_text("half")
    for name in ("old.tmp", "old"):
        os.utime(scratch / name, (1, 1))
    sync(a)
    assert sorted(p.name for p in scratch.iterdir()) == ["new", "new.tmp"]


@pytest.mark.parametrize("what", some_of(["pointer", "registration", "both", "HEAD", "commondir"], 2))
def test_a_worktree_that_lost_its_tie_to_git_keeps_its_unsynced_edits(clones: Clones, what: str) -> None:
    x = apart(clones)
    a = clones[0]
    if what in ("pointer", "both"):
        (worktree(a) / ".git").unlink()
    if what in ("registration", "both"):
        shutil.rmtree(a.path / ".git/worktrees")
    if what in ("HEAD", "commondir"):  # emptied by a power loss
        (a.path / ".git/worktrees/data-sync-worktree" / what).write_bytes(b"")
    assert fields(a, x)["priority"] == 0
    both_edits(clones, x)
    assert a.git("worktree", "list").count("data-sync-worktree") == 1
    assert git(worktree(a), "status", "--porcelain") == ""


def test_a_worktree_that_was_removed_is_made_again(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    shutil.rmtree(worktree(a))
    b.run("update", x, "--title", "from b")
    sync(b, a)
    assert fields(a, x)["title"] == "from b"
    settle(a, b)


@pytest.mark.parametrize("where", ["tip", "before"])
def test_a_detached_worktree_is_put_on_the_branch_and_takes_nothing_back(clones: Clones, where: str) -> None:
    a, b = clones
    first = tip(a)
    x = apart(clones)
    sync(a)
    y = a.create("made meanwhile")
    sync(a)
    git(worktree(a), "checkout", "-q", "--detach", tip(a) if where == "tip" else first)
    made = a.data / "issues" / f"is-{'0' * 26}.md"
    made.write_text(a.file(y).read_text().replace(a.file(y).stem, made.stem) if where == "tip" else ISSUE_AT_FIRST)
    done = a.run("sync")
    assert done.code == 0 and "is on tbd-sync again" in done.err
    both_edits(clones, x)
    assert fields(b, y)["title"] == "made meanwhile" and made.name in os.listdir(b.data / "issues")
    assert git(worktree(a), "symbolic-ref", "HEAD").strip() == "refs/heads/tbd-sync"


ISSUE_AT_FIRST = f"""---
type: is
id: is-{"0" * 26}
title: by hand
version: 1
created_at: 2025-01-01T00:00:00.000Z
updated_at: 2025-01-01T00:00:00.000Z
---
"""


def test_a_worktree_on_another_branch_of_the_tracker_is_put_back(clones: Clones) -> None:
    a, _ = clones
    x = apart(clones)
    git(worktree(a), "checkout", "-q", "-b", "mine")
    both_edits(clones, x)
    assert a.git("rev-parse", "mine")  # which stays


def test_a_worktree_on_a_branch_of_another_kind_is_named_and_left(clones: Clones) -> None:
    a, _ = clones
    sync(a)
    git(worktree(a), "checkout", "-q", "--detach", "main")
    (worktree(a) / ".tbd/data-sync/issues").mkdir(parents=True)
    done = a.run("sync")
    assert done.code == 1 and "holds no tracker" in done.err and "move it aside" in done.err
    assert git(worktree(a), "rev-parse", "HEAD") == git(a.path, "rev-parse", "main")


@pytest.mark.parametrize("verb", ["rebase-merge", "CHERRY_PICK_HEAD"])
def test_what_git_has_under_way_there_is_named_with_how_to_end_it(clones: Clones, verb: str) -> None:
    a, _ = clones
    sync(a)
    (a.path / ".git/worktrees/data-sync-worktree" / verb).mkdir()
    done = a.run("sync")
    assert done.code == 1 and "--abort" in done.err and str(worktree(a)) in done.err


def test_a_merge_left_half_done_by_a_person_is_made_anew(clones: Clones) -> None:
    a, b = clones
    x, y = a.create("T"), a.create("untouched by b")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    a.run("update", x, "--title", "from a")
    a.run("update", y, "--notes", "by a")
    git(worktree(a), "add", "-A")
    git(worktree(a), "commit", "-qm", "by hand")
    before = tip(a)
    a.git("fetch", "-q", "origin", "tbd-sync")
    with pytest.raises(Exception, match="exit status 1"):
        git(worktree(a), "merge", "-q", "origin/tbd-sync")
    assert b"<<<<<<<" in a.file(x).read_bytes()
    done = a.run("sync")
    assert done.code == 0 and "left unfinished" in done.err
    settle(a, b)
    assert {fields(b, x)["title"], attic(b, x)["title"]} == {"from a", "from b"} and fields(b, y)["notes"] == "by a"
    assert before in backups(a)
    assert not (a.path / ".git/worktrees/data-sync-worktree/MERGE_HEAD").exists()


def test_markers_alone_are_taken_apart_where_both_versions_are_good(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    text = a.file(x).read_text()
    one, two = (text.replace("title: T", f"title: {t}").replace("version: 1", "version: 2") for t in ("one", "two"))
    rows = zip(one.split("\n"), two.split("\n"), strict=True)
    shown = "<<<<<<< HEAD\n{}\n||||||| base\nx\n=======\n{}\n>>>>>>> other"
    conflict = [p if p == q else shown.format(p, q) for p, q in rows]
    a.file(x).write_text("\n".join(conflict))
    assert a.run("show", x).code == 1
    done = a.run("sync")
    assert done.code == 0 and "finished" in done.err
    settle(a, b)
    assert {fields(b, x)["title"], attic(b, x)["title"]} == {"one", "two"}


def test_a_stale_lock_on_the_index_does_not_stop_anything_and_is_moved_aside(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    lock = a.path / ".git/worktrees/data-sync-worktree/index.lock"
    lock.write_bytes(b"half an index")
    began = time.monotonic()
    sync(a)
    assert time.monotonic() - began < 5 and not lock.exists()
    assert [p.read_bytes() for p in (a.path / ".git/tbdx/backup").glob("index.lock-*")] == [b"half an index"]
    sync(b)
    assert fields(b, x)["title"] == "T"


def test_stale_locks_on_the_branch_and_what_goes_with_it_are_moved_aside(clones: Clones) -> None:
    a, b = clones
    sync(b)
    b.create("from b")
    sync(b)
    x = a.create("T")
    for ref in ("refs/heads/tbd-sync", STANDS_ON, "refs/remotes/origin/tbd-sync"):
        (a.path / f".git/{ref}.lock").write_bytes(b"")
    began = time.monotonic()
    sync(a)
    assert time.monotonic() - began < 5 and not list((a.path / ".git/refs").rglob("*.lock"))
    settle(a, b)
    assert fields(b, x)["title"] == "T" and titles(a) == {"from b", "T"}


def test_stale_locks_on_the_coordination_branch_are_moved_aside(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hidden, "STILL_S", 0.2)
    a, b = clones
    a.create("T")
    for ref in ("refs/heads/tbd-coord", "refs/remotes/origin/tbd-coord"):
        (a.path / f".git/{ref}.lock").write_bytes(b"")
    sync(a)
    assert not list((a.path / ".git/refs").rglob("*.lock"))
    assert len(list((a.path / ".git/tbdx/backup").glob("tbd-coord.lock*"))) == 2
    settle(a, b)


def test_a_lock_of_gits_that_goes_away_by_itself_is_left_to_its_holder(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = clones
    lock = a.path / ".git/refs/heads/tbd-sync.lock"
    lock.touch()
    monkeypatch.setattr(hidden, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: lock.unlink()))
    assert a.run("sync").err == "" and not list((a.path / ".git/tbdx/backup").glob("*"))


def test_what_a_healed_branch_had_is_kept(clones: Clones) -> None:
    a, _ = clones
    a.create("T")
    sync(a)
    before = tip(a)
    git(worktree(a), "checkout", "-q", "--detach", "HEAD~1")
    sync(a)
    assert before in backups(a)


def test_a_damaged_index_is_made_anew(clones: Clones) -> None:
    x = apart(clones)
    (clones[0].path / ".git/worktrees/data-sync-worktree/index").write_bytes(b"DIRC\0\0nonsense")
    both_edits(clones, x)
    assert git(worktree(clones[0]), "status", "--porcelain") == ""


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_repository_that_was_moved_or_copied_keeps_to_itself(
    clones: Clones, at: Callable[[Path], Clone], how: str
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--priority", "0")
    there = a.path.with_name("there")
    if how == "moved":
        a.path.rename(there)
    else:
        shutil.copytree(a.path, there, symlinks=True)
    before = {p: p.read_bytes() for p in a.path.rglob("*") if p.is_file()} if how == "copied" else {}
    c = at(there)
    b.run("update", x, "--title", "from b")
    sync(b, c)
    settle(b, c)
    assert (fields(b, x)["title"], fields(b, x)["priority"]) == ("from b", 0)
    assert {p: p.read_bytes() for p in before} == before
    assert git(worktree(c), "status", "--porcelain") == ""


# the branch


def test_a_branch_that_was_deleted_begins_where_the_files_stand(clones: Clones) -> None:
    x = apart(clones)
    a = clones[0]
    a.git("update-ref", "-d", "refs/heads/tbd-sync")
    done = a.run("sync")
    assert done.code == 0 and "was gone" in done.err
    both_edits(clones, x)


def test_with_the_branch_gone_and_nothing_known_no_file_counts_as_deleted(clones: Clones) -> None:
    x = apart(clones)
    a = clones[0]
    for ref in ("refs/heads/tbd-sync", STANDS_ON, "refs/remotes/origin/tbd-sync"):
        a.git("update-ref", "-d", ref)
    y = clones[1].create("only there")
    sync(clones[1])
    sync(a)
    settle(*clones)
    assert fields(a, y)["title"] == "only there"
    for clone in clones:
        assert fields(clone, x)["priority"] == 0
        assert "from b" in (fields(clone, x)["title"], *attic(clone, x).values())


def test_a_branch_that_somebody_moved_alone_takes_no_edit_back(clones: Clones) -> None:
    a, b = clones
    before = tip(a)
    x = apart(clones)
    sync(a)
    now = tip(a)
    a.git("update-ref", "refs/heads/tbd-sync", before)  # back
    both_edits(clones, x)
    y = b.create("newer")
    sync(b)
    a.git("fetch", "-q", "origin", "tbd-sync")
    a.git("update-ref", "refs/heads/tbd-sync", "origin/tbd-sync")  # and forth, the files left behind
    sync(a)
    settle(a, b)
    assert fields(a, y)["title"] == "newer" and now in a.git("rev-list", "tbd-sync")


def test_a_file_saved_from_an_editor_opened_before_a_sync_takes_nothing_back(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", "-d", "one\ntwo")
    sync(a, b)
    in_the_editor = a.file(x).read_text()
    b.run("update", x, "--title", "from b")
    b.run("update", x, "--priority", "0")
    sync(b, a)
    a.file(x).write_text(in_the_editor.replace("two", "2"))
    done = a.run("sync")
    assert done.code == 0 and "older version" in done.err
    settle(a, b)
    found = fields(b, x)
    assert (found["title"], found["priority"], found["description"]) == ("from b", 0, "one\n2")


def test_a_late_save_takes_nothing_back_that_its_version_number_does_not_tell(clones: Clones) -> None:
    """An edit by hand keeps the number: the copy in the editor is none of those that git has of that version."""
    a, b = clones
    x = a.create("T")
    sync(a, b)
    in_the_editor = a.file(x).read_text()
    a.file(x).write_text(in_the_editor.replace("title: T", "title: T\nassignee: by hand"))
    sync(a)
    a.run("update", x, "--priority", "0")
    sync(a)
    a.file(x).write_text(in_the_editor.replace("title: T", "title: T\nassignee: late"))
    sync(a)
    settle(a, b)
    assert {fields(b, x)["assignee"], attic(b, x).get("assignee")} == {"by hand", "late"}
    assert fields(b, x)["priority"] == 0


def test_what_a_late_save_replaces_is_in_the_attic_before_it_is_replaced(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = clones
    x = a.create("T")
    sync(a)
    in_the_editor = a.file(x).read_text()
    a.run("update", x, "--title", "meanwhile")
    sync(a)
    a.file(x).write_text(in_the_editor.replace("title: T", "title: late"))
    written = put_by(pending, monkeypatch)
    sync(a)
    assert [path.split("/")[2] for path in written] == ["attic", "issues"]


def test_a_late_save_of_a_version_that_was_never_committed_takes_nothing_back(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--title", "as it was in the editor")
    in_the_editor = a.file(x).read_text()
    a.run("update", x, "--notes", "meanwhile")
    sync(a)
    a.file(x).write_text(in_the_editor.replace("as it was in the editor", "late"))
    done = a.run("sync")
    assert done.code == 0 and "older version" in done.err
    settle(a, b)
    assert fields(b, x)["notes"] == "meanwhile"
    assert {fields(b, x)["title"], attic(b, x)["title"]} == {"as it was in the editor", "late"}


def test_a_branch_moved_after_a_real_tbds_commit_takes_nothing_back(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    a.run("update", x, "--priority", "0")
    git(worktree(a), "add", "-A")
    git(worktree(a), "commit", "-qm", "by a real tbd")
    a.git("fetch", "-q", "origin", "tbd-sync")
    a.git("update-ref", "refs/heads/tbd-sync", "origin/tbd-sync")
    both_edits(clones, x)


# the remote


def test_a_rewound_remote_is_told_and_gets_everything_back(clones: Clones) -> None:
    a, b = clones
    before = tip(a)
    x = a.create("T")
    sync(a, b)
    git(origin(a), "update-ref", "refs/heads/tbd-sync", before)
    done = a.run("sync")
    assert done.code == 0 and "rewound" in done.err
    settle(a, b)
    assert fields(b, x)["title"] == "T"


def test_what_only_the_remote_had_before_it_was_rewound_comes_back_too(clones: Clones) -> None:
    a, b = clones
    before = tip(a)
    x = b.create("only in b")
    sync(b)
    a.git("fetch", "-q", "origin", "tbd-sync:refs/remotes/origin/tbd-sync")
    seen = a.git("rev-parse", "origin/tbd-sync").strip()
    git(origin(a), "update-ref", "refs/heads/tbd-sync", before)
    shutil.rmtree(b.path)  # and nobody else has it
    done = a.run("sync")
    assert done.code == 0 and seen in backups(a)
    assert fields(a, x)["title"] == "only in b"
    assert x.partition("-")[2] in git(origin(a), "show", f"tbd-sync:{merge.NAMES}")


def test_a_remote_forced_to_an_unrelated_root_is_joined_and_its_old_tip_kept(clones: Clones) -> None:
    a, b = clones
    x = a.create("kept here")
    sync(a, b)
    old = tip(a)
    k = b.kernel
    internal = k.need(x)
    blobs = k.git.hash_all([b"schema_version: 1\n", b.file(x).read_bytes().replace(b"kept here", b"from elsewhere")])
    paths = [merge.DATA + "meta.yml", f"{merge.ISSUES}{internal}.md"]
    root = k.git.commit_tree(None, dict(zip(paths, blobs, strict=True)), [], "another beginning")
    b.git("push", "-q", "--force", "origin", f"{root}:refs/heads/tbd-sync")
    done = a.run("sync")
    assert done.code == 0 and "rewritten" in done.err and old in backups(a)
    settle(a, b)
    parents = a.git("rev-list", "--parents", "tbd-sync").splitlines()
    assert any({old, root} <= set(row.split()) for row in parents)
    assert {fields(a, x)["title"], *attic(a, x).values()} == {"kept here", "from elsewhere"}


# clones of other shapes


def shaped(clones: Clones, at: Callable[[Path], Clone], *how: str) -> Clone:
    git(origin(clones[0]), "config", "uploadpack.allowFilter", "true")
    git(origin(clones[0]), "config", "uploadpack.allowAnySHA1InWant", "true")
    place = clones[0].path.parent / "shaped"
    git(place.parent, "clone", "-q", *how, f"file://{origin(clones[0])}", "shaped")
    return at(place)


@pytest.mark.parametrize(
    "how",
    some_of(
        [
            ["--depth=1"],
            ["--depth=1", "--no-single-branch"],
            ["--single-branch"],
            ["--filter=blob:none"],
            ["--filter=tree:0"],
            ["--filter=blob:none", "--no-checkout", "--depth=1", "--no-single-branch"],
        ],
        3,
    ),
    ids=" ".join,
)
def test_shallow_single_branch_and_partial_clones_take_part(
    clones: Clones, at: Callable[[Path], Clone], how: list[str]
) -> None:
    a, b = clones
    x = a.create("T", "-d", "some text")
    sync(a, b)
    c = shaped(clones, at, *how)
    if "--no-checkout" in how:
        c.git("checkout", "-q", "main")
    assert fields(c, x)["title"] == "T"
    c.run("update", x, "--priority", "0")
    b.run("update", x, "--title", "from b")
    sync(b, c)
    settle(a, b, c)
    for clone in (a, b, c):
        assert (fields(clone, x)["title"], fields(clone, x)["priority"]) == ("from b", 0)


def test_a_shallow_clone_whose_base_is_cut_off_fetches_the_history_of_the_sync_branch_only(
    clones: Clones, at: Callable[[Path], Clone]
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    (a.path / "README.md").write_text("more\n")
    a.git("commit", "-qam", "second")
    a.git("push", "-q", "origin", "main")
    old = tip(b)
    b.run("update", x, "--priority", "0")
    for n in range(3):
        a.run("update", x, "--title", f"title {n}")
        sync(a)
    git(origin(a), "update-ref", "refs/heads/kept", tip(a))
    c = shaped(clones, at, "--depth=1", "--no-single-branch")
    c.run("update", x, "--notes", "from c")
    git(origin(a), "update-ref", "refs/heads/tbd-sync", old)  # b's edit will sit on what c has cut off
    sync(b)
    sync(c)
    settle(a, b, c)
    found = fields(c, x)
    assert (found["title"], found["priority"], found["notes"]) == ("title 2", 0, "from c")
    assert c.git("rev-list", "--count", "main").strip() == "1"


def test_a_sparse_clone_takes_part(clones: Clones, at: Callable[[Path], Clone]) -> None:
    a, _ = clones
    x = a.create("T")
    sync(a)
    c = shaped(clones, at, "--no-checkout")
    c.git("config", "core.sparseCheckout", "true")
    (c.path / ".git/info").mkdir(exist_ok=True)
    (c.path / ".git/info/sparse-checkout").write_text("/.tbd/\n")
    c.git("checkout", "-q", "main")
    assert not (c.path / "README.md").exists()
    c.run("update", x, "--title", "from c")
    sync(c, a)
    settle(a, c)
    assert fields(a, x)["title"] == "from c" and not (c.path / "README.md").exists()


def test_a_partial_clone_asks_the_remote_for_nothing_while_it_holds_the_lock(
    clones: Clones, at: Callable[[Path], Clone], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    c = shaped(clones, at, "--filter=blob:none")
    c.json("list")
    a.run("update", x, "--title", "from a")
    sync(a)
    from tbdx.kernel import sync as verb

    integrate = verb.integrate

    def offline(*args: object, **more: object) -> object:
        gone = origin(a).rename(origin(a).with_suffix(".gone"))
        try:
            return integrate(*args, **more)  # type: ignore[arg-type]
        finally:
            gone.rename(origin(a))

    monkeypatch.setattr(verb, "integrate", offline)
    sync(c)
    assert fields(c, x)["title"] == "from a"


def test_a_file_that_is_damaged_shows_its_last_good_version(clones: Clones) -> None:
    a, _ = clones
    x = a.create("T")
    sync(a)
    a.file(x).write_bytes(b"\0" * 100)
    text = a.run("show", x)
    assert text.code == 1 and "title: T" in text.out and "NUL" in text.err and "last good" in text.err
    shown = a.run("show", x, "--json")
    assert shown.code == 1 and json.loads(shown.out)["title"] == "T" and json.loads(shown.err)["code"] == "bad_file"


def test_a_remote_of_another_name_is_told(clones: Clones, at: Callable[[Path], Clone]) -> None:
    a, _ = clones
    a.git("remote", "rename", "origin", "upstream")
    a.create("T")
    done = a.run("sync")
    assert done.code == 0 and "local only" in done.out and "config set sync.remote upstream" in done.err
    assert a.json("sync")["localOnly"] is True
    a.run("config", "set", "sync.remote", "upstream")
    assert "localOnly" not in a.json("sync")


def test_a_third_clone_heals_beside_the_others(clones: Clones, at: Callable[[Path], Clone]) -> None:
    a, b = clones
    c = another(a, at, "c")
    x = apart(clones)
    sync(c)
    c.git("update-ref", "-d", "refs/heads/tbd-sync")
    shutil.rmtree(worktree(c))
    c.create("from c")
    settle(a, b, c)
    assert titles(a) == titles(b) == titles(c) == {"from b", "from c"} and fields(c, x)["priority"] == 0
