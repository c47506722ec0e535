"""Bundles carry everything through a file, in any order, twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Clone, new_git
from kernel.test_sync import Clones, attic, data_files, fields, put_by, settle, sync, tip
from killing import stopping
from tbdx.kernel import setup
from tbdx.kernel import sync as verb


def test_a_bundle_carries_pending_edits_the_attic_and_files_of_other_kinds(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    a.run("update", x, "--title", "from a")
    b.run("update", x, "--title", "from b")
    (a.data / "bridge").mkdir()
    (a.data / "bridge/x.yml").write_bytes(b"a: 1\r\n")
    made = a.json("bundle", "create", "../carried.bundle")
    assert made["commit"] == tip(a) and made["issues"] == 1 and made["file"] == "../carried.bundle"
    report = b.json("bundle", "apply", "../carried.bundle")
    assert report["conflicts"] == 1 and report["summary"]["received"]["new"] == 1
    assert {fields(b, x)["title"], attic(b, x)["title"]} == {"from a", "from b"}
    assert (b.data / "bridge/x.yml").read_bytes() == b"a: 1\r\n"
    before = tip(b)
    assert b.json("bundle", "apply", "../carried.bundle")["conflicts"] == 0 and tip(b) == before
    settle(b, a)
    assert data_files(a) == data_files(b)


def test_two_clones_that_share_no_remote_meet_through_bundles(tmp_path: Path, at: Callable[[Path], Clone]) -> None:
    one, two = (at(new_git(tmp_path / name)) for name in ("one", "two"))
    for clone in (one, two):
        setup.init(clone.kernel, "test")
        clone.create(f"from {clone.path.name}")
        assert clone.run("bundle", "create", f"../{clone.path.name}.bundle").code == 0
    assert two.run("bundle", "apply", "../one.bundle").code == 0
    assert one.run("bundle", "apply", "../two.bundle").code == 0
    for clone, other in ((one, two), (two, one)):
        clone.run("bundle", "create", f"../{clone.path.name}.bundle")
        other.run("bundle", "apply", f"../{clone.path.name}.bundle")
    assert data_files(one) == data_files(two) and len(one.json("list")) == 2
    before = tip(one), tip(two)
    one.run("bundle", "create", "../one.bundle")
    two.run("bundle", "apply", "../one.bundle")
    assert before[1] == tip(two) or tip(one) == tip(two)


def test_a_damaged_file_is_withheld_from_a_bundle_by_name(clones: Clones) -> None:
    a, b = clones
    x, y = a.create("good"), a.create("bad")
    a.file(y).write_bytes(b"")
    done = a.run("bundle", "create", "../carried.bundle")
    assert done.code == 1 and a.file(y).name in done.err
    b.run("bundle", "apply", "../carried.bundle")
    assert fields(b, x)["title"] == "good" and not (b.data / "issues" / a.file(y).name).exists()


def test_what_cannot_be_a_bundle_is_an_error_and_changes_nothing(clones: Clones, tmp_path: Path) -> None:
    a, b = clones
    a.create("T")
    sync(a)
    a.run("bundle", "create", "../whole.bundle")
    before = tip(b) if b.run("list").code == 0 else ""
    whole = (tmp_path / "whole.bundle").read_bytes()
    (tmp_path / "cut.bundle").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.bundle").write_text("no bundle\n")
    a.git("bundle", "create", "-q", "../other.bundle", "main")
    for name in ("cut", "text", "missing"):
        done = b.run("bundle", "apply", f"../{name}.bundle", "--json")
        assert done.code == 1 and json.loads(done.err.splitlines()[-1])["error"], name
    assert tip(b) == before
    for place in ("..", "../nowhere/x.bundle"):
        assert a.run("bundle", "create", place).code == 1
    assert a.run("bundle", "create").code == 2


def test_a_bundle_of_something_else_is_refused(clones: Clones) -> None:
    a, b = clones
    b.run("list")
    before = tip(b)
    a.git("bundle", "create", "-q", "../other.bundle", "main")
    done = b.run("bundle", "apply", "../other.bundle")
    assert done.code == 1 and "no tracker" in done.err and tip(b) == before


def test_a_dry_run_writes_nothing(clones: Clones) -> None:
    a, _ = clones
    assert a.json("bundle", "create", "../x.bundle", "--dry-run")["dryRun"] is True
    assert not (a.path.parent / "x.bundle").exists()


@pytest.mark.parametrize("name", ["-x.bundle", "ü b.bundle"])
def test_odd_file_names_are_files(clones: Clones, name: str) -> None:
    a, b = clones
    a.create("T")
    assert a.run("bundle", "create", "--", name).code == 0 and (a.path / name).is_file()
    assert b.run("bundle", "apply", str(a.path / name)).code == 0 and len(b.json("list")) == 1


def test_a_bundle_whose_taking_in_was_killed_is_taken_in_by_the_next_sync(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = clones
    made = [a.create(f"{n}") for n in range(3)]
    sync(a, b)
    for x in made:
        b.run("update", x, "--title", "from the bundle")
    assert b.run("bundle", "create", "../x.bundle").code == 0
    written = put_by(verb, monkeypatch)
    with stopping(lambda _: "kill" if len(written) == 2 else "") as stop:
        a.run("bundle", "apply", "../x.bundle")
    assert stop.dead
    sync(a)
    assert [fields(a, x)["title"] for x in made] == ["from the bundle"] * 3
