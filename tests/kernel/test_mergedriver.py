"""For people who use git by hand: a plain merge or pull on the sync branch gives what a sync gives."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conftest import Clone, git
from kernel.test_sync import Clones, attic, data_files, fields, settle, sync

WORKTREE = ".git/tbd/data-sync-worktree"


def diverge(clones: Clones) -> str:
    a, b = clones
    x = a.create("T", "-l", "base", "-d", "one\ntwo\nthree")
    sync(a, b)
    b.run("update", x, "--title", "from b", "--remove-label", "base", "--description", "one\ntwo\n3")
    b.create("made in b")
    sync(b)
    a.run("update", x, "--title", "from a", "--add-label", "a", "--description", "1\ntwo\nthree")
    a.create("made in a")
    return x


def commit_by_hand(clone: Clone) -> Path:
    place = clone.path / WORKTREE
    git(place, "add", "-A")
    git(place, "commit", "-qm", "by hand")
    return place


@pytest.mark.parametrize("verb", ["merge", "pull"])
def test_a_plain_merge_gives_what_a_sync_gives(clones: Clones, tmp_path: Path, verb: str) -> None:
    a, b = clones
    x = diverge(clones)
    assert a.json("merge-driver", "install")["changed"] is True
    place = commit_by_hand(a)
    twin = tmp_path / "twin"
    subprocess.run(["cp", "-a", str(a.path), str(twin)], check=True)
    if verb == "merge":
        git(place, "fetch", "-q", "origin", "tbd-sync")
        git(place, "merge", "-q", "--no-edit", "origin/tbd-sync")
    else:
        git(place, "pull", "-q", "--no-rebase", "--no-edit", "origin", "tbd-sync")
    by_git = a.file(x).read_bytes()
    sync(a, b)
    found = fields(b, x)
    assert (found["title"], found["labels"], found["description"]) == ("from a", ["a"], "1\ntwo\n3")
    assert attic(b, x) == {"title": "from b"} and a.file(x).read_bytes() == by_git
    settle(a, b)
    assert {row["title"] for row in b.json("list")} == {"from a", "made in a", "made in b"}


def test_installing_twice_changes_nothing_and_removing_restores_the_bytes(repo: Clone) -> None:
    attributes, config = repo.path / ".git/info/attributes", repo.path / ".git/config"
    attributes.parent.mkdir(exist_ok=True)
    attributes.write_bytes(b"*.png -diff")
    before = config.read_bytes()
    assert repo.json("merge-driver", "install")["changed"] is True
    assert attributes.read_bytes().startswith(b"*.png -diff\n")
    assert repo.json("merge-driver", "install")["changed"] is False
    assert repo.json("merge-driver", "remove")["changed"] is True
    assert config.read_bytes() == before and attributes.read_bytes() == b"*.png -diff\n"
    assert repo.json("merge-driver", "remove")["changed"] is False
    assert repo.json("merge-driver", "install", "--dry-run")["dryRun"] is True and config.read_bytes() == before


def test_files_of_the_user_are_merged_as_before(repo: Clone) -> None:
    repo.run("merge-driver", "install")
    (repo.path / "notes.md").write_text("---\ntitle: x\n---\n")
    assert repo.git("check-attr", "merge", "notes.md").strip().endswith("unspecified")
    assert repo.git("check-attr", "merge", ".tbd/data-sync/issues/x.md").strip().endswith("tbdx")


def test_what_is_none_of_the_trackers_or_cannot_be_read_leaves_a_conflict(repo: Clone, tmp_path: Path) -> None:
    for name in ("o", "a", "b"):
        (repo.path / name).write_text(name)
    done = repo.run("merge-driver", "run", "o", "a", "b", "src/x.md")
    assert done.code == 1 and "none of the tracker" in done.err and (repo.path / "a").read_text() == "a"
    path = f".tbd/data-sync/issues/is-{'0' * 26}.md"
    assert repo.run("merge-driver", "run", "o", "missing", "b", path).code == 1
    assert repo.run("merge-driver", "run", "o", "a").code == 2
    assert repo.run("merge-driver", "run", "o", "a", "b", "../../../x").code == 1


def test_damaged_sides_are_kept_whole(repo: Clone) -> None:
    for name in ("o", "a", "b"):
        (repo.path / name).write_text(name)
    path = f".tbd/data-sync/issues/is-{'0' * 26}.md"
    assert repo.run("merge-driver", "run", "o", "a", "b", path).code == 0
    aside = [p.read_text() for p in (repo.path / ".tbd/data-sync/attic/conflicts").iterdir()]
    assert {(repo.path / "a").read_text(), *aside} == {"a", "b"}


def test_the_whole_folder_is_the_same_after_the_next_sync(clones: Clones) -> None:
    a, b = clones
    diverge(clones)
    a.run("merge-driver", "install")
    place = commit_by_hand(a)
    git(place, "pull", "-q", "--no-rebase", "--no-edit", "origin", "tbd-sync")
    sync(a, b)
    assert data_files(a) == data_files(b)
