"""Readers take no lock, and at no point of another one's write do they see half of it (faults.md C7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import Clone
from kernel.test_sync import Clones, sync
from tbdx.store import failpoint

Answer = list[tuple[Any, ...]]


def answer(clone: Clone) -> Answer:
    """What a reader prints: ids, titles, what waits. A notice or a warning would be half a state too."""
    listed, ready, blocked = (clone.run(*argv, "--json") for argv in (["list", "--all"], ["ready"], ["blocked"]))
    assert [done.err for done in (listed, ready, blocked)] == ["", "", ""]
    is_ready, is_blocked = ({row["id"] for row in json.loads(done.out)} for done in (ready, blocked))
    keys = ("id", "title", "status", "labels", "priority")
    rows = json.loads(listed.out)
    return [(*(row.get(key) for key in keys), row["id"] in is_ready, row["id"] in is_blocked) for row in rows]


@contextmanager
def read_at_every_point(clone: Clone) -> Iterator[list[Answer]]:
    """The answers of a reader that comes just before each change which the block makes."""
    out: list[Answer] = []

    def read(_: str) -> None:
        before, failpoint.hook = failpoint.hook, None
        try:
            out.append(answer(clone))
        finally:
            failpoint.hook = before

    failpoint.hook = read
    try:
        yield out
    finally:
        failpoint.hook = None


def steps(answers: list[Answer]) -> list[Answer]:
    """The answers that differ from the one before."""
    return [now for n, now in enumerate(answers) if n == 0 or now != answers[n - 1]]


WRITES: dict[str, Callable[[Clone, str, str], list[str]]] = {
    "create": lambda clone, x, y: ["create", "New"],
    "create with relatives": lambda clone, x, y: ["create", "New", "--parent", x, "--depends-on", y],
    "update": lambda clone, x, y: ["update", x, "--title", "U", "--priority", "0", "--add-label", "l"],
    "close": lambda clone, x, y: ["close", x, "--reason", "done"],
    "dep add": lambda clone, x, y: ["dep", "add", x, y],
    "put": lambda clone, x, y: ["wk", "put", "new.json"],
}


@pytest.mark.parametrize("name", WRITES)
def test_a_reader_at_any_point_of_a_write_sees_the_state_before_or_after(repo: Clone, name: str) -> None:
    x, y = repo.create("X"), repo.create("Y")
    (repo.path / "new.json").write_text(json.dumps({"title": "put"}))
    before = answer(repo)
    with read_at_every_point(repo) as seen:
        code = repo.run(*WRITES[name](repo, x, y)).code
    after = answer(repo)
    assert code == 0 and len(seen) > 5 and before != after
    assert steps([before, *seen, after]) == [before, after]


def test_a_reader_at_any_point_of_a_sync_sees_each_issue_as_it_was_or_as_it_came(clones: Clones) -> None:
    a, b = clones
    x, y = a.create("X"), a.create("Y")
    sync(a, b)
    for n, clone in enumerate(clones):
        clone.run("update", x, "--title", f"U{n}")
    b.create("New", "--depends-on", y)
    b.run("update", y, "--priority", "0")
    sync(b)
    before = {row[0]: row[:5] for row in answer(a)}
    with read_at_every_point(a) as seen:
        assert a.run("sync").code == 0
    after = {row[0]: row[:5] for row in answer(a)}
    assert len(seen) > 20 and before != after
    for row in (row[:5] for rows in seen for row in rows):
        assert row in (before.get(row[0]), after[row[0]])


def test_a_reader_at_any_point_of_an_import_sees_each_issue_under_its_short_id(clones: Clones) -> None:
    a, b = clones
    made = [a.create(f"{n}") for n in range(3)]
    a.run("save", "--dir", "../saved")
    b.run("list")
    with read_at_every_point(b) as seen:
        assert b.run("import", "--dir", "../saved").code == 0
    assert len(seen) > 20 and {row[0] for rows in seen for row in rows} == set(made)
