"""What a change of an issue is called."""

from __future__ import annotations

from typing import Any

import pytest

from tbdx.core import event
from tbdx.core.happened import LONG, drafts

BASE: dict[str, Any] = {
    "id": "is-1",
    "title": "t",
    "kind": "task",
    "priority": 2,
    "status": "open",
    "version": 1,
    "updated_at": "x",
}


def made(before: dict[str, Any] | None, after: dict[str, Any], actor: str = "a") -> list[dict[str, Any]]:
    out = drafts(before, BASE | after, (None if before is None else "b0", "b1"), actor, "delegate")
    for draft in out:
        event.check_draft(draft["type"], draft["refs"], draft["body"])
        assert draft["refs"] == {"work_id": "is-1"} and draft["body"]["blob"] == "b1"
        assert draft["body"].get("was") == (None if before is None else "b0")
    return out


def test_a_new_issue_is_created_with_what_it_is() -> None:
    (draft,) = made(None, {"refs": [{"url": "u"}]})
    assert draft["type"] == "work.created"
    assert draft["body"] == {"title": "t", "kind": "task", "priority": 2, "status": "open", "blob": "b1"}


@pytest.mark.parametrize(
    ("before", "after", "type_"),
    [
        ({}, {"title": "new"}, "work.updated"),
        ({}, {"status": "closed", "close_reason": "done"}, "work.closed"),
        ({"delegate": "a"}, {"status": "closed"}, "work.closed"),
        ({"status": "closed"}, {"status": "open"}, "work.reopened"),
        ({"status": "closed"}, {"status": "in_progress", "delegate": "a"}, "work.reopened"),
        ({"status": "closed"}, {"status": "closed", "title": "x"}, "work.updated"),
        ({}, {"delegate": "a"}, "work.claimed"),
        ({"delegate": "b"}, {"delegate": "a"}, "work.claimed"),
        ({"delegate": "a"}, {"delegate": "a", "status": "in_progress"}, "work.claimed"),
        ({}, {"delegate": "b"}, "work.updated"),
        ({"delegate": "a"}, {"delegate": None}, "work.released"),
        ({"delegate": "b"}, {"delegate": None}, "work.updated"),
        ({"delegate": "a"}, {"delegate": "b"}, "work.updated"),
        ({}, {"refs": [{"url": "u"}]}, "work.linked"),
        ({"refs": [{"url": "u"}]}, {"refs": []}, "work.updated"),
    ],
)
def test_a_change_is_of_the_first_type_that_fits(before: Any, after: Any, type_: str) -> None:
    (draft,) = made(BASE | before, after)
    assert draft["type"] == type_
    names = {n for n in before.keys() | after.keys() if (BASE | before).get(n) != (BASE | after).get(n)}
    assert draft["body"]["fields"].keys() == names


def test_each_field_that_changed_is_told_with_both_values_and_a_long_text_with_its_size() -> None:
    (draft,) = made(
        BASE | {"labels": ["x"], "notes": "n" * LONG}, {"labels": [], "notes": "n" * (LONG + 1), "version": 2}
    )
    assert draft["body"]["fields"] == {
        "labels": {"before": ["x"], "after": []},
        "notes": {"before": "n" * LONG, "after": {"size": LONG + 1}},
    }


def test_a_close_tells_why() -> None:
    (draft,) = made(BASE, {"status": "closed", "close_reason": "done", "resolution": "canceled"})
    assert (draft["body"]["reason"], draft["body"]["resolution"]) == ("done", "canceled")


def test_each_new_link_is_an_event() -> None:
    out = made(BASE | {"refs": [{"url": "u"}]}, {"refs": [{"url": "u"}, {"url": "v"}, {"url": "w"}]})
    assert [(d["type"], d["body"]["url"]) for d in out] == [("work.linked", "v"), ("work.linked", "w")]
