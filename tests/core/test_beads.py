"""Beads' lines: which are issues, what they say, and what links they hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tbdx.core import beads
from tbdx.core.beads import Row

NOW = "2025-06-15T00:00:00.000Z"
TIMES = {"created_at": "2025-01-01T00:00:00Z", "updated_at": "2025-01-02T00:00:00Z"}


def row(own: str = "bd-1", **more: Any) -> Row:
    return Row(1, own, {"id": own, "title": "T", **TIMES, **more})


def test_lines_that_are_no_issue_are_named_and_the_rest_is_read() -> None:
    lines = [
        b'\xef\xbb\xbf{"id": "bd-1", "title": "One"}',
        b"not json",
        b"",
        b'{"id": "bd-2"}',
        b'{"title": "no id"}',
        b'{"id": 5, "title": "id is a number"}',
        b'{"id": "bd-3", "title": "  "}',
        b'["a", "list"]',
        b"[" * 100_000,
        b'{"id": "bd-4", "title": "x", "a": ' + b"[" * 100_000,
        b'{"id": "bd-5", "title": "x", "priority": NaN}',
        b'{"id": "bd-6", "title": "x", "priority": 1' + b"0" * 5000 + b"}",
        b'{"id": "bd-7", "title": "\xff"}',
        b'{"id": "bd-8", "title": "\\ud800"}',
        b"<<<<<<< HEAD",
        b'{"id": "bd-9", "title": "' + b"x" * 5_000_000 + b'"}\r',
        b'{"id": "bd-10", "title": "cut sh',
    ]
    good, bad = beads.read(b"\n".join(lines))
    assert [(r.line, r.id) for r in good] == [(1, "bd-1"), (16, "bd-9")]
    assert [n for n, _ in bad] == [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17]
    assert dict(bad)[4] == "no title" and dict(bad)[5] == "no id"


def test_the_later_of_two_lines_of_one_id_counts() -> None:
    first = Row(1, "bd-1", {"id": "bd-1", "title": "new", "updated_at": "2025-01-03T00:00:00Z"})
    second = Row(2, "bd-1", {"id": "bd-1", "title": "old", "updated_at": "2025-01-02T00:00:00Z"})
    third = Row(3, "bd-1", {"id": "bd-1", "title": "same time", "updated_at": "2025-01-03T00:00:00.000Z"})
    assert beads.latest([first, second]) == ([first], [second])
    assert beads.latest([first, third]) == ([third], [first])


def test_an_issue_has_tbds_keys_and_times_to_the_millisecond() -> None:
    issue = beads.fields_of(row("bd-a.1", created_at="2025-01-01T00:00:00.5+02:00", issue_type="weird"), NOW)
    assert issue["created_at"] == "2024-12-31T22:00:00.500Z" and issue["updated_at"] == "2025-01-02T00:00:00.000Z"
    assert issue["kind"] == "task" and issue["version"] == 1
    assert [n for n, v in issue.items() if v is None] == [
        *("parent_id", "due_date", "deferred_until", "closed_at", "close_reason")
    ]
    assert issue["extensions"] == {"beads": {"original_id": "bd-a.1", "imported_at": NOW}}
    assert "assignee" not in issue and "description" not in issue


@pytest.mark.parametrize(
    ("given", "status"),
    [("done", "closed"), ("tombstone", "closed"), ("blocked", "blocked"), ("in_progress", "in_progress"), ("?", "open")]
    + [([], "open"), (None, "open"), ({"a": 1}, "open")],  # type: ignore[list-item]
)
def test_statuses(given: object, status: str) -> None:
    assert beads.fields_of(row(status=given), NOW)["status"] == status


@pytest.mark.parametrize(
    ("given", "priority"),
    [(0, 0), (4, 4), (5, 2), (-1, 2), ("P3", 3), ("p0", 0), ("1", 1), (True, 2), (None, 2), (1.0, 2)],
)
def test_priorities(given: object, priority: int) -> None:
    assert beads.fields_of(row(priority=given), NOW)["priority"] == priority


def test_kind_comes_from_type_or_issue_type() -> None:
    assert beads.fields_of(row(type="bug"), NOW)["kind"] == "bug"
    assert beads.fields_of(row(type="x", issue_type="epic"), NOW)["kind"] == "epic"
    assert beads.fields_of(row(type=["bug"], issue_type={}), NOW)["kind"] == "task"


def test_values_of_another_type_are_left_out() -> None:
    odd: dict[str, Any] = {
        "labels": ["a", 1, None, "a"],
        "assignee": 5,
        "description": [],
        "due": 7,
        "closed_at": "soon",
    }
    issue = beads.fields_of(row(**odd, status="closed", created_at=None, updated_at="?"), NOW)
    assert issue["labels"] == ["a"] and issue["due_date"] is None and issue["closed_at"] is None
    assert issue["created_at"] == issue["updated_at"] == NOW
    assert "assignee" not in issue and "description" not in issue


@pytest.mark.parametrize(
    ("own", "short"), [("bd-1", "1"), ("BD-a.1", "a.1"), ("my-proj-7", "proj-7"), ("nodash", "nodash")]
)
def test_the_short_id_is_what_follows_the_prefix(own: str, short: str) -> None:
    assert beads.short_of(own) == short


def test_links_of_both_shapes() -> None:
    given = [
        {"issue_id": "bd-2", "depends_on_id": "bd-1", "type": "blocks"},
        {"issue_id": "bd-2", "depends_on_id": "bd-9", "type": "parent-child"},
        {"type": "blocks", "target": "bd-3"},
        {"issue_id": "bd-2", "depends_on_id": "bd-4", "type": "related"},
        {"issue_id": "bd-2", "depends_on_id": "bd-2", "type": "blocks"},
        {"issue_id": "bd-2", "depends_on_id": 4, "type": "blocks"},
        {"type": ["blocks"]},
        "bd-1",
    ]
    edges, parent, other = beads.links(row("bd-2", dependencies=given))
    assert edges == [("bd-1", "bd-2"), ("bd-2", "bd-3")]
    assert parent == "bd-9"
    assert other == ["related", "blocks", "['blocks']", "a link that is no object"]
    assert beads.links(row(dependencies={"a": 1}, parent=5)) == ([], None, [])


def test_a_parent_that_would_close_a_circle_is_left_out() -> None:
    wanted = {"a": "b", "b": "c", "c": "a", "d": "d", "e": "a"}
    assert beads.parents_without_cycles(wanted, {}) == ({"a": "b", "b": "c", "e": "a"}, ["c", "d"])
    assert beads.parents_without_cycles({"a": "b"}, {"b": "a"}) == ({}, ["a"])
    assert beads.parents_without_cycles({"a": "x"}, {"x": "y", "y": "x"}) == ({"a": "x"}, [])


def test_any_json_makes_an_issue_or_is_left_out() -> None:
    from hypothesis import given, settings
    from hypothesis import strategies as st

    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
        max_leaves=6,
    )
    names = (
        "id",
        "title",
        "status",
        "type",
        "priority",
        "labels",
        "dependencies",
        "parent",
        "created_at",
        "due",
        "notes",
    )

    @settings(max_examples=200, deadline=None, database=None, derandomize=True)
    @given(st.dictionaries(st.sampled_from(names), values))
    def check(raw: dict[str, Any]) -> None:
        good, bad = beads.read(json.dumps(raw).encode())
        assert len(good) + len(bad) == 1
        for found in good:
            beads.fields_of(found, NOW)
            beads.links(found)
            beads.short_of(found.id)

    check()
