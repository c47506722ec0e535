"""Links, FIFOs, folders, sockets and devices where a file or folder of ours should be: named, never followed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Clone
from damage import ISSUE, put_issue, snapshot, ulid
from tbdx.errors import BadFile, Disk
from tbdx.store import files

BAD = f"is-{ulid(500)}"


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """Half a minute for each test here: a FIFO that is waited for ends it."""

    def stop(*_: object) -> None:
        raise TimeoutError("a command hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A place outside of the repository that nothing may be read from or written to."""
    place = tmp_path / "elsewhere"
    place.mkdir()
    (place / f"{BAD}.md").write_text(ISSUE.format(id=BAD, title="SECRET"))
    (place / "config.yml").write_text("tbd_format: f08\ndisplay:\n  id_prefix: secret\n")
    (place / "ids.yml").write_text(f"zzzz: {ulid(500)}\n")
    return place


def bind(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # a socket's path may not be long
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(path.name)
    finally:
        os.chdir(before)


def make(kind: str, path: Path, elsewhere: Path) -> None:
    if kind == "link":
        path.symlink_to(elsewhere / path.name)
    elif kind == "dangling":
        path.symlink_to("/no/such/place")
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        bind(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"a file\n")


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "fifo", "folder", "socket", "device"])
def test_where_an_issue_file_should_be(repo: Clone, elsewhere: Path, kind: str) -> None:
    one = repo.create("Good")
    path = repo.data / "issues" / f"{BAD}.md"
    make(kind, path, elsewhere)
    before, outside = path.lstat(), snapshot(elsewhere)
    for argv in (
        ["list"],
        ["ready"],
        ["search", "o"],
        ["label", "add", one, f"x-{kind}"],
        ["stats"],
        ["list", "--json"],
    ):
        done = repo.run(*argv)
        assert done.code == 0 and "SECRET" not in done.out and "zzzz" not in done.out, done
    assert path.name in repo.run("list").err
    for argv in (["show", BAD], ["update", BAD, "--priority", "1"], ["close", BAD], ["edit", BAD], ["wk", "get", BAD]):
        done = repo.run(*argv)
        assert done.code == 1 and "SECRET" not in done.out, (argv, done)
        assert path.name in done.err or argv[0] == "edit", (argv, done)
    done = repo.run("sync", "--json")
    assert done.code in (0, 1) and "unexpected" not in done.err
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert snapshot(elsewhere) == outside
    assert repo.git("ls-tree", "-r", "--name-only", "tbd-sync").count(BAD) == 0


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "fifo", "folder", "socket"])
def test_where_the_settings_should_be(repo: Clone, elsewhere: Path, kind: str) -> None:
    path = repo.path / ".tbd/config.yml"
    path.unlink()
    make(kind, path, elsewhere)
    before, outside = path.lstat(), snapshot(elsewhere)
    for argv in (
        ["list"],
        ["create", "x"],
        ["config", "get", "display.id_prefix"],
        ["config", "set", "sync.branch", "x"],
    ):
        done = repo.run(*argv)
        assert done.code == 1 and str(path) in done.err and "secret" not in done.out, (argv, done)
    assert repo.run("status").code == 0 and repo.run("init", "--prefix", "again").code == 1
    assert path.lstat().st_mode == before.st_mode and snapshot(elsewhere) == outside


FOLDERS = ("issues", "mappings", "attic", ".tbd", "workspaces", "worktree")


@pytest.mark.parametrize("which", FOLDERS)
@pytest.mark.parametrize("kind", ["link", "file", "fifo"])
def test_where_a_folder_should_be(repo: Clone, elsewhere: Path, which: str, kind: str) -> None:
    repo.create("Good")
    places = {
        ".tbd": repo.path / ".tbd",
        "workspaces": repo.path / ".tbd/workspaces",
        "worktree": repo.data.parent.parent,
    }
    path = places.get(which, repo.data / which)
    if path.exists():
        shutil.move(path, elsewhere / path.name)
    else:
        (elsewhere / path.name).mkdir()
    make(kind, path, elsewhere)
    before, outside = path.lstat().st_mode, snapshot(elsewhere)
    if which == "attic":
        commands = [["attic", "list"]]
    elif which == "workspaces":
        commands = [["workspace", "list"], ["save", "--workspace", "x"], ["import", "--outbox"]]
    else:
        commands = [["list"], ["show", "test-x"], ["create", "New"], ["sync"]]
    for argv in commands:
        done = repo.run(*argv)
        assert done.code == 1 and "Good" not in done.out and "Error: " in done.err, (argv, done)
        named = str(path) in done.err or which == ".tbd" and "Not a tbd repository" in done.err
        assert named and "unexpected" not in done.err, (argv, done)
    assert path.lstat().st_mode == before and snapshot(elsewhere) == outside


def test_an_attic_entry_and_a_workspace_that_are_links(repo: Clone, elsewhere: Path) -> None:
    repo.create("Good")
    (repo.data / "attic").mkdir()
    (repo.data / "attic" / "x.yml").symlink_to(elsewhere / "config.yml")
    os.mkfifo(repo.data / "attic" / "y.yml")
    done = repo.run("attic", "list")
    assert done.code == 0 and "x.yml" in done.err and "y.yml" in done.err
    (repo.path / ".tbd/workspaces").mkdir()
    (repo.path / ".tbd/workspaces/w").symlink_to(elsewhere)
    outside = snapshot(elsewhere)
    for argv in (["save", "--workspace", "w"], ["import", "--workspace", "w"], ["workspace", "delete", "w"]):
        done = repo.run(*argv)
        assert done.code == 1 and "symbolic link" in done.err, (argv, done)
    assert snapshot(elsewhere) == outside


def test_a_text_file_named_on_the_command_line_may_be_anything_but_endless(repo: Clone, tmp_path: Path) -> None:
    (tmp_path / "big.md").write_bytes(b"x" * 10_485_760)
    for argv in (["create", "x", "--file", "."], ["create", "x", "--file", str(tmp_path / "big.md")]):
        assert repo.run(*argv).code == 1, argv
    for argv in (["create", "--from-file", "."], ["create", "--from-file", "/dev/zero"], ["wk", "put", "."]):
        done = repo.run(*argv)
        assert done.code == 1 and "unexpected" not in done.err, (argv, done)
    assert repo.json("list") == []


def test_the_tree_of_a_remote_can_place_nothing_elsewhere(clones: tuple[Clone, Clone], elsewhere: Path) -> None:
    a, b = clones
    a.create("Good")
    assert a.run("sync").code == 0
    blob = a.git("hash-object", "-w", "README.md").strip()
    rows = a.git("ls-tree", "-r", "tbd-sync")
    evil = [f"120000 blob {blob}\t.tbd/data-sync/issues/is-{ulid(9)}.md", f"100755 blob {blob}\t.tbd/data-sync/x.sh"]
    evil += [f"100644 blob {blob}\toutside.txt", f"100644 blob {blob}\t.tbd/data-sync/issues/README.md"]
    evil += [f"160000 commit {a.git('rev-parse', 'tbd-sync').strip()}\t.tbd/data-sync/attic"]
    index = {"GIT_INDEX_FILE": str(a.path / ".git/evil-index")}
    os.environ.update(index)
    try:
        for row in [*rows.splitlines(), *evil]:
            mode, _, rest = row.split(" ", 2)
            blob_id, _, path = rest.partition("\t")
            a.git("update-index", "--add", "--cacheinfo", f"{mode},{blob_id},{path}")
        tree = a.git("write-tree").strip()
    finally:
        del os.environ["GIT_INDEX_FILE"]
    commit = a.git("commit-tree", tree, "-p", "tbd-sync", "-m", "evil").strip()
    a.git("push", "-q", "origin", f"{commit}:refs/heads/tbd-sync")
    done = b.run("list", "--json")  # made from the remote's branch
    assert done.code == 0 and "Good" in done.out
    a.run("sync")
    for clone in (a, b):
        worktree = clone.data.parent.parent
        found = [
            p.relative_to(worktree).as_posix() for p in worktree.rglob("*") if p.is_symlink() or os.access(p, os.X_OK)
        ]
        assert all((worktree / p).is_dir() and not (worktree / p).is_symlink() for p in found), found
        assert not (worktree / "outside.txt").exists() and not (worktree / ".tbd/data-sync/x.sh").exists()
        assert [row["title"] for row in clone.json("list")] == ["Good"]


NAMES = (
    "..",
    ".",
    "",
    "/",
    "//",
    "/etc",
    "a/b",
    "a\\b",
    "\0",
    "a\0",
    "-x",
    "x",
    "~",
    "C:",
    "con",
    "..\n",
    "…",
    "link",
    "deep",
)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(NAMES), st.text(max_size=6)), max_size=5))
def test_no_names_lead_out_of_their_folder(names: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as top:
        root = os.path.realpath(f"{top}/root")
        os.makedirs(f"{root}/deep/deep")
        os.symlink("..", f"{root}/deep/link")
        os.symlink(top, f"{root}/link")
        try:
            path = files.inside(root, *names)
        except (BadFile, Disk):
            return
        real = os.path.realpath(path)
        assert real == root if not names else real.startswith(root + "/"), (names, path)
        assert os.path.normpath(path) == path


@pytest.mark.parametrize("name", ["..", "", ".", "a/b", "/etc/passwd", "a\0b", "a\\b", "\udcff/", "x" * 300])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile):
        files.inside(str(tmp_path), name)


READERS: dict[str, Callable[[Path], None]] = {"fifo": os.mkfifo, "socket": bind, "folder": Path.mkdir}


@pytest.mark.parametrize("kind", READERS)
def test_reading_what_is_no_file_says_so_at_once(tmp_path: Path, kind: str) -> None:
    READERS[kind](tmp_path / "x")
    with pytest.raises(BadFile, match="a FIFO|a socket|a folder"):
        files.read(str(tmp_path / "x"))
    with pytest.raises(BadFile, match="a device"):
        files.read("/dev/null")


def test_an_issue_of_the_same_name_is_never_written_over(repo: Clone, elsewhere: Path) -> None:
    from tbdx.store import entities

    internal = put_issue(repo, 1)
    path = repo.data / "issues" / f"{internal}.md"
    before = path.read_bytes()
    files.make_folder(repo.kernel.repo.scratch)
    assert not entities.create(repo.kernel.repo, internal, "other")
    (repo.data / "issues" / f"{BAD}.md").symlink_to(elsewhere / "new.md")
    assert not entities.create(repo.kernel.repo, BAD, "other")
    assert path.read_bytes() == before and not (elsewhere / "new.md").exists()
