"""Files are read without following anything, and replaced whole or not at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tbdx.errors import BadFile, Disk
from tbdx.store import files


def test_a_file_is_read_up_to_the_limit_and_one_byte_more(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"12345")
    assert files.read(str(path)) == b"12345"
    assert files.read(str(path), 5) == b"12345"
    assert files.read(str(path), 3) == b"1234"
    assert files.read(str(path), 3) != path.read_bytes()[:3]  # so that the caller sees that it is too long


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "fifo", "socket"])
def test_what_is_no_file_is_named_and_never_waited_for(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    (tmp_path / "real").write_text("secret")
    if kind == "link":
        path.symlink_to("real")
    elif kind == "dangling":
        path.symlink_to("nothing")
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as s:
            s.bind("x")
    with pytest.raises(BadFile) as e:
        files.read(str(path))
    words = {"dangling": "symbolic link", "link": "symbolic link", "fifo": "FIFO"}
    assert words.get(kind, kind) in str(e.value)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        files.read(str(tmp_path / "x"))
    with pytest.raises((FileNotFoundError, Disk)):
        files.read(str(tmp_path / "x" / "y"))


@pytest.mark.parametrize("durable", [True, False])
def test_a_write_replaces_the_file_and_leaves_nothing_beside_it(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "d/f"
    path.parent.mkdir()
    path.write_text("old")
    files.write(str(path), b"new", durable=durable)
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["f"]


def test_a_reader_that_has_the_old_file_open_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    with path.open() as f:
        files.write(str(path), b"new")
        assert f.read() == "old"


def test_a_write_replaces_a_link_and_not_what_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("safe")
    (tmp_path / "f").symlink_to("target")
    files.write(str(tmp_path / "f"), b"new")
    assert (tmp_path / "target").read_text() == "safe" and not (tmp_path / "f").is_symlink()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d/f"
    path.parent.mkdir()
    path.write_text("old")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(Disk) as e:
        files.write(str(path), b"new")
    monkeypatch.undo()
    assert "free some space" in str(e.value.hint)
    assert path.read_text() == "old" and os.listdir(path.parent) == ["f"]


def test_a_scratch_folder_on_another_disk_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    replace = os.replace

    def across(a: str, b: str) -> None:
        if os.path.dirname(a) != os.path.dirname(b):
            raise OSError(18, "Invalid cross-device link")
        replace(a, b)

    monkeypatch.setattr(os, "replace", across)
    files.write(str(tmp_path / "f"), b"new", scratch=str(scratch))
    assert (tmp_path / "f").read_bytes() == b"new" and not os.listdir(scratch)


def test_a_new_file_is_made_once(tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    assert files.create(path, b"1", scratch=str(tmp_path)) is True
    assert files.create(path, b"2", scratch=str(tmp_path)) is False
    assert files.read(path) == b"1" and os.listdir(tmp_path / ".").count("f") == 1


def test_a_disk_without_hard_links_makes_new_files_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = str(tmp_path / "f")
    assert files.create(path, b"1", scratch=str(tmp_path)) is True
    assert files.create(path, b"2", scratch=str(tmp_path)) is False
    assert files.read(path) == b"1"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "a\0b", "a\\b"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadFile, match="not a file name"):
        files.inside(str(tmp_path), "ok", name)


def test_a_link_on_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/tmp")
    with pytest.raises(BadFile, match="symbolic link"):
        files.inside(str(tmp_path), "out", "x")
    assert files.inside(str(tmp_path), "new", "x") == f"{tmp_path}/new/x"


def test_a_walk_gives_files_in_order_and_names_what_is_none(tmp_path: Path) -> None:
    root = tmp_path / "r"
    (root / "b").mkdir(parents=True)
    for rel in ("b/2", "b/1", "c", "a"):
        (root / rel).write_text("")
    (root / "l").symlink_to("b")
    os.mkfifo(root / "p")
    found = list(files.walk(str(root)))
    assert found == [("a", None), ("b/1", None), ("b/2", None), ("c", None), ("l", "a symbolic link"), ("p", "a FIFO")]
    assert list(files.walk(str(root / "nothing"))) == []


def test_a_link_in_the_place_of_a_temporary_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("safe")
    (tmp_path / "x").symlink_to("target")
    with pytest.raises(OSError):
        files.write_new(str(tmp_path / "x"), b"new")
    with pytest.raises(Disk):
        files.flush(str(tmp_path / "x"))
    assert (tmp_path / "target").read_text() == "safe"
