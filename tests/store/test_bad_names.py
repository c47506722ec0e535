"""A damaged ids.yml: rebuilt in memory from the issues, the same everywhere, said, and lasting with the next write."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone
from damage import put_issue, ulid

GHOST = ulid(7000)  # a ULID that no issue has


def rows(repo: Clone) -> dict[str, str]:
    """ids.yml as a real tbd would read it: strictly."""
    from tbdx.core import canon

    return {str(k): str(v) for k, v in canon.loads((repo.data / "mappings/ids.yml").read_text()).items()}


def conflict(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "<<<<<<< ours\n" + "".join(lines[:2]) + "=======\n" + "".join(lines[2:]) + ">>>>>>> theirs\n"


# what was done to the file, as text -> text; every one of the four issues must keep or get a name
DAMAGE: dict[str, Callable[[str], str]] = {
    "empty": lambda t: "",
    "cut-in-a-line": lambda t: t[: len(t) * 2 // 3],
    "cut-in-the-first-line": lambda t: t[:3],
    "rows-twice": lambda t: t + t,
    "one-short-id-for-two": lambda t: t + f"{t.split(':')[0]}: {ulid(1)}\n",
    "one-short-id-for-three": lambda t: t + "".join(f"{t.split(':')[0]}: {ulid(n)}\n" for n in (1, 2)),
    "conflict-markers": conflict,
    "garbage-lines": lambda t: "nonsense\n" + t + "a b c\n: \n- x\n" + "x: y\n",
    "nul-bytes": lambda t: t[:40] + "\0\0\0\0\n" + t[40:],
    "only-nul-bytes": lambda t: "\0" * 400,
    "upper-case-rows": lambda t: t.upper(),
    "paths-as-rows": lambda t: t + "../../x: ../../y\n" + "/etc/passwd: " + ulid(1) + "\n",
    "tabs-and-blanks": lambda t: t.replace(": ", ":   "),
    "carriage-returns": lambda t: t.replace("\n", "\r\n"),
    "no-last-line-end": lambda t: t.rstrip("\n"),
    "quotes": lambda t: "".join(
        f'"{x.split(": ")[0]}": "{x.split(": ")[1]}"\n' for x in t.splitlines() if '"' not in x
    ),
    "one-line": lambda t: "{" + ", ".join(t.splitlines()) + "}\n",
    "byte-order-mark": lambda t: "\ufeff" + t,
    "a-mapping-in-a-row": lambda t: t + "zz:\n  a: 1\n",
}
QUIET = {"carriage-returns", "no-last-line-end", "tabs-and-blanks", "byte-order-mark"}


@pytest.fixture
def four(repo: Clone) -> Clone:
    """Four issues: two made here, two that came without a row, and then have one."""
    for title in ("One", "Two"):
        repo.create(title)
    put_issue(repo, 1, "Older")
    put_issue(repo, 2, "Old")
    repo.json("label", "add", repo.json("list")[0]["id"], "x")
    repo.run("sync")  # makes the two new rows lasting
    assert len(rows(repo)) == 4
    return repo


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_ids_file_is_rebuilt_and_mended_by_the_next_create(four: Clone, name: str) -> None:
    repo, path = four, four.data / "mappings/ids.yml"
    good = rows(repo)
    path.write_bytes(DAMAGE[name](path.read_text()).encode())
    damaged = path.read_bytes()
    listed = repo.run("list", "--json")
    assert listed.code == 0 and path.read_bytes() == damaged  # reading writes nothing
    ids = {row["internalId"]: row["id"] for row in repo.json("list")}
    assert len(set(ids.values())) == 4, ids
    assert ids == {row["internalId"]: row["id"] for row in repo.json("list")}
    if name not in QUIET:
        assert '"notice"' in listed.err and "ids.yml" in listed.err or "short id" in listed.err, listed.err
        assert len(listed.err.splitlines()) <= 6  # however many rows are damaged
    for shown in ids.values():
        assert repo.json("show", shown)["displayId"] == shown
    repo.json("update", min(ids.values()), "--title", "A write that needs one id")
    made = repo.create("Five")  # a write that gives one
    after = rows(repo)
    assert {f"is-{of}": f"test-{short}" for short, of in after.items() if f"test-{short}" in ids.values()} == ids
    assert after[made.removeprefix("test-")] and len(after) >= 5
    assert repo.run("list").err == ""
    if name in QUIET | {"rows-twice", "garbage-lines", "paths-as-rows", "conflict-markers", "a-mapping-in-a-row"}:
        assert good.items() <= after.items()


@pytest.mark.parametrize("name", ["empty", "cut-in-a-line", "one-short-id-for-three", "conflict-markers"])
def test_two_clones_rebuild_the_same_ids(four: Clone, at: Callable[[Path], Clone], tmp_path: Path, name: str) -> None:
    path = four.data / "mappings/ids.yml"
    path.write_bytes(DAMAGE[name](path.read_text()).encode())
    shutil.copytree(four.path, tmp_path / "copy", symlinks=True)
    pointer = tmp_path / "copy/.git/tbd/data-sync-worktree/.git"
    pointer.write_text(pointer.read_text().replace(str(four.path), str(tmp_path / "copy")))
    other = at(tmp_path / "copy")
    assert other.kernel.names.ulid_of == four.kernel.names.ulid_of == four.kernel.names.ulid_of
    other.create("There")
    four.create("Here")
    common = rows(other).items() & rows(four).items()
    assert len(common) == 4


def test_rows_without_an_issue_stay(four: Clone) -> None:
    path = four.data / "mappings/ids.yml"
    path.write_text(path.read_text() + f"ghost: {GHOST}\n")
    listed = four.run("list")
    assert listed.code == 0 and listed.err == ""
    assert four.run("show", "test-ghost").code == 1
    four.create("Five")
    assert rows(four)["ghost"] == GHOST


def test_a_missing_ids_file_is_said_and_made_anew(four: Clone) -> None:
    path = four.data / "mappings/ids.yml"
    path.unlink()
    done = four.run("list", "--json")
    assert done.code == 0 and "ids.yml is missing" in done.err
    four.create("Five")
    assert len(rows(four)) == 5


def test_a_missing_folder_of_ids_is_made_anew(four: Clone) -> None:
    shutil.rmtree(four.data / "mappings")
    assert len(four.json("list")) == 4
    four.create("Five")
    assert len(rows(four)) == 5


def test_a_ulid_with_two_short_ids_answers_to_both(four: Clone) -> None:
    path = four.data / "mappings/ids.yml"
    path.write_text(path.read_text() + f"other: {ulid(1)}\n")
    assert four.json("show", "test-other")["title"] == "Older"
    assert len(four.json("list")) == 4


ODD: dict[str, Callable[[Path], object]] = {
    "folder": lambda p: p.mkdir(),
    "link": lambda p: p.symlink_to("/etc/hostname"),
    "dangling-link": lambda p: p.symlink_to("/no/such/place"),
    "link-to-itself": lambda p: p.symlink_to(p.name),
    "fifo": lambda p: os.mkfifo(p),
    "socket": lambda p: bind(p),
}


def bind(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path.name)
    finally:
        os.chdir(before)


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_file_is_named_not_followed_and_left(four: Clone, name: str) -> None:
    path = four.data / "mappings/ids.yml"
    path.unlink()
    ODD[name](path)
    mode = path.lstat()
    for argv in (["list"], ["show", f"is-{ulid(1)}"], ["create", "Five"], ["ready", "--json"]):
        done = four.run(*argv)
        assert done.code == 1 and str(path) in done.out + done.err, (argv, done)
    assert (path.lstat().st_ino, path.lstat().st_mode) == (mode.st_ino, mode.st_mode)
    assert path.name in four.run("doctor").out


def test_many_lost_rows_are_said_in_few_lines(repo: Clone) -> None:
    for n in range(40):
        put_issue(repo, n)
    done = repo.run("list", "--json")
    assert done.code == 0 and 2 <= len(done.err.splitlines()) <= 6
    assert "more" in done.err.splitlines()[-1]
