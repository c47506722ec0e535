"""A flipped bit in git's store: it is named, nothing is deleted, and the object comes back (faults.md D13)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import Clone, some_of
from kernel.test_mend import blob_of, break_object
from kernel.test_sync import Clones, attic, data_files, fields, origin, settle, sync
from tbdx.core import merge

ABOVE = {"tree": f"tbd-sync:{merge.ISSUES[:-1]}", "commit": "tbd-sync"}


def packed(clone: Clone, shown: str, kind: str = "blob") -> tuple[str, Path]:
    """Pack everything, and flip a bit of an issue's blob there, or of the tree or commit above; its name, the pack."""
    clone.git("gc", "-q")
    blob, loose = blob_of(clone, shown)
    assert not loose.exists()
    blob = clone.git("rev-parse", ABOVE[kind]).strip() if kind in ABOVE else blob
    (index,) = (clone.path / ".git/objects/pack").glob("*.idx")
    rows = (row.split() for row in clone.git("verify-pack", "-v", str(index)).splitlines())
    at, size = next((int(row[4]), int(row[3])) for row in rows if row and row[0] == blob)
    pack = index.with_suffix(".pack")
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[at + size // 2] ^= 0x10
    pack.write_bytes(data)
    return blob, pack


@pytest.mark.parametrize("helped_by", ["the worktree", "the remote"])
def test_a_bit_flipped_in_a_pack_is_named_and_mended(clones: Clones, helped_by: str) -> None:
    a, b = clones
    x = a.create("T", "-d", "some text\n" * 20)
    sync(a, b)
    blob, pack = packed(a, x)
    if helped_by == "the remote":
        a.run("update", x, "--title", "U")
    done = a.run("doctor", "--fix", "--json")
    assert done.code == 0, done
    assert any("whole again" in said for said in json.loads(done.out)["fixed"])
    assert a.git("cat-file", "blob", blob).startswith("---") and pack.exists()
    a.git("repack", "-adq")
    assert a.git("fsck", "--no-dangling") == ""
    settle(a, b)


def test_a_bit_flipped_in_a_pack_is_mended_from_a_bundle_where_no_remote_is_in_reach(clones: Clones) -> None:
    a, b = clones
    x = a.create("T", "-d", "some text\n" * 20)
    sync(a, b)
    b.run("bundle", "create", "../b.bundle")
    blob, _ = packed(a, x)
    a.run("update", x, "--title", "U")
    gone = origin(a).rename(origin(a).with_suffix(".gone"))
    done = a.run("doctor", "--fix")
    assert done.code == 1 and "cannot be reached" in done.err
    assert a.run("bundle", "apply", "../b.bundle").code == 0
    assert a.git("cat-file", "blob", blob).startswith("---")
    gone.rename(origin(a))
    settle(a, b)


@pytest.mark.parametrize("where", some_of(["loose", "in a pack"], 2))
@pytest.mark.parametrize("kind", ["tree", "commit"])
def test_a_bit_flipped_in_a_tree_or_commit_is_named_and_mended(clones: Clones, kind: str, where: str) -> None:
    a, b = clones
    x = a.create("T")
    sync(a, b)
    if where == "loose":
        name = a.git("rev-parse", ABOVE[kind]).strip()
        break_object(a.path / f".git/objects/{name[:2]}/{name[2:]}")
    else:
        name, _ = packed(a, x, kind)
    a.run("update", x, "--title", "from a")
    b.run("update", x, "--priority", "0")
    sync(b)
    done = a.run("sync")
    assert done.code == 1 and "doctor --fix" in done.err and a.json("show", x)["title"] == "from a", done
    assert a.run("doctor", "--fix").code == 0
    assert a.git("cat-file", "-t", name).strip() == kind
    settle(a, b)
    assert (fields(b, x)["title"], fields(b, x)["priority"]) == ("from a", 0)


@pytest.mark.parametrize("where", ["loose", "in a pack"])
def test_a_sync_that_needs_a_flipped_object_stops_and_loses_nothing(clones: Clones, where: str) -> None:
    a, b = clones
    x = a.create("T", "-d", "some text\n" * 20)
    sync(a, b)
    b.run("update", x, "--title", "from b")
    sync(b)
    blob = blob_of(a, x)[0]
    if where == "loose":
        break_object(blob_of(a, x)[1])
    else:
        packed(a, x)
    a.run("update", x, "--title", "from a")
    before, published = data_files(a), origin(a) / merge.DATA
    done = a.run("sync", "--json")
    said = json.loads(done.err.splitlines()[-1])
    assert done.code == 1 and said["code"] == "git" and "doctor --fix" in said["hint"], done
    assert data_files(a) == before and not published.exists()
    assert a.run("doctor", "--fix").code == 0
    assert a.git("cat-file", "-t", blob).strip() == "blob"
    settle(a, b)
    assert {fields(b, x)["title"], attic(b, x)["title"]} == {"from a", "from b"}
