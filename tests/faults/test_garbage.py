"""What somebody pushed by accident, or to do harm: our data outlive it, and it stops no sync (faults.md D5, S2)."""

from __future__ import annotations

import os

import pytest

from conftest import Clone, git, some_of
from kernel.test_sync import Clones, data_files, fields, origin, settle, sync, tip
from tbdx.core import merge


def pushed(clone: Clone, tree: str, *more: str) -> None:
    """Publish a tree as the next version of the tracker, past all of our checks."""
    made = clone.git("commit-tree", tree, "-p", "origin/tbd-sync", "-m", "by another tool").strip()
    clone.git("push", "-q", *more, "origin", f"{made}:refs/heads/tbd-sync")


def edited(clone: Clone, removed: str, row: str = "") -> str:
    """The published tree without a path, and with a row of `update-index --cacheinfo` instead."""
    clone.git("fetch", "-q", "origin", "tbd-sync:refs/remotes/origin/tbd-sync")
    os.environ["GIT_INDEX_FILE"] = str(clone.path / ".git/edited")
    try:
        clone.git("read-tree", "origin/tbd-sync")
        clone.git("rm", "-rqf", "--cached", merge.DATA + removed)
        if row:
            clone.git("update-index", "--add", "--cacheinfo", row)
        return clone.git("write-tree").strip()
    finally:
        del os.environ["GIT_INDEX_FILE"]


def issues(clones: Clones) -> list[str]:
    """Three issues that both clones have; the first one waits for the second."""
    a, b = clones
    made = [a.create(title) for title in "TUV"]
    a.run("dep", "add", made[0], made[1])
    sync(a, b)
    return made


@pytest.mark.parametrize("pending", [False, True], ids=["nothing pending", "an edit pending"])
def test_a_version_without_any_issue_deletes_none(clones: Clones, pending: bool) -> None:
    a, b = clones
    made = issues(clones)
    before = data_files(a)
    pushed(b, "main^{tree}")
    if pending:
        a.run("update", made[0], "--priority", "0")
    done = a.run("sync")
    assert done.code == 0 and "holds no issue any more" in done.err
    assert pending or data_files(a) == before
    settle(a, b)
    assert {row["title"] for row in b.json("list")} == {"T", "U", "V"}
    assert fields(b, made[0])["priority"] == (0 if pending else 2)
    assert "issues" in git(origin(a), "ls-tree", "-r", "--name-only", "tbd-sync")


def test_clones_that_each_bring_wiped_issues_back_make_one_commit(clones: Clones) -> None:
    a, b = clones
    issues(clones)
    pushed(b, "main^{tree}")
    sync(a)
    kept = tip(a)
    b.git("push", "-q", "--force", "origin", "origin/tbd-sync:refs/heads/tbd-sync")
    sync(b)
    assert tip(b) == kept


def test_one_issue_that_was_deleted_stays_deleted(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    b.file(x).unlink()
    sync(b, a)
    assert a.json("list") == []
    settle(a, b)


ODD = {"a link": ("120000", "README.md"), "a file": ("100644", "README.md"), "a commit": ("160000", "main")}


PLACES = [("issues", what) for what in ODD] + [
    ("mappings", "a file"),
    ("attic", "a file"),
    ("mappings/ids.yml", "a link"),
]


@pytest.mark.parametrize("place, what", PLACES[:1] + [pytest.param(*p, marks=pytest.mark.long) for p in PLACES[1:]])
def test_what_stands_in_the_place_of_a_folder_of_ours_wipes_nothing_out(clones: Clones, place: str, what: str) -> None:
    a, b = clones
    made = issues(clones)
    for clone in clones:
        clone.run("update", made[0], "--title", f"by {clone.path.name}")
    sync(a, b, a)  # so that there is an attic
    mode, name = ODD[what]
    of = b.git("rev-parse", "main" if mode == "160000" else f"main:{name}").strip()
    pushed(b, edited(b, place, f"{mode},{of},{merge.DATA}{place}"))
    sync(a, b)
    a.create("Later")
    settle(a, b)
    for clone in clones:
        assert {row["id"] for row in clone.json("list")} >= set(made) and len(clone.json("list")) == 4
        assert clone.run("list").err == ""
        assert (clone.data / place).is_symlink() is False and (clone.data / "issues").is_dir()


@pytest.mark.parametrize("text", some_of([None, "", "\0", "nonsense\n", "<<<<<<< a\n"], 2), ids=repr)
def test_short_ids_outlive_a_version_that_lost_them(clones: Clones, text: str | None) -> None:
    a, b = clones
    made = issues(clones)
    row = ""
    if text is not None:
        (b.path / "names").write_text(text)
        row = f"100644,{b.git('hash-object', '-w', 'names').strip()},{merge.NAMES}"
    pushed(b, edited(b, "mappings/ids.yml", row))
    done = a.run("sync")
    assert done.code == 0 and "lacks 3 row(s)" in done.err
    assert {row["id"] for row in a.json("list")} == set(made)
    settle(a, b)
    assert b.run("list").err == "" and {row["id"] for row in b.json("list")} == set(made)
