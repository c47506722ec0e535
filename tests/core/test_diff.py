"""`changes`: which fields are reported, in which shape, and hunks that can be applied."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core import diff
from tbdx.core.entity import BODY
from tbdx.core.entity import FIELDS as KNOWN
from tbdx.core.times import iso

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
many = settings(max_examples=4_000, deadline=None, database=None)


def issue(**fields: object) -> dict:
    return {
        "type": "is",
        "id": "is-01aaaaaaaaaaaaaaaaaaaaaaaa",
        "title": "One",
        "kind": "task",
        "status": "open",
        "priority": 2,
        "version": 1,
        "labels": [],
        "dependencies": [],
        "created_at": iso(0),
        "updated_at": iso(0),
    } | fields


def test_an_update_lists_what_changed_in_tbds_order() -> None:
    assert diff.changed_fields(issue(), issue(priority=0, status="in_progress", version=2, updated_at=iso(5))) == [
        {"field": "status", "before": "open", "after": "in_progress"},
        {"field": "priority", "before": 2, "after": 0},
    ]


CREATED = [
    {"field": "title", "before": None, "after": "One"},
    {"field": "kind", "before": None, "after": "task"},
    {"field": "status", "before": None, "after": "open"},
    {"field": "priority", "before": None, "after": 2},
    {"field": "labels", "before": None, "after": []},
    {"field": "dependencies", "before": None, "after": []},
    {"field": "created_at", "before": None, "after": iso(0)},
]


def test_a_new_issue_lists_all_it_has() -> None:
    assert diff.changed_fields(None, issue(assignee=None)) == CREATED


def test_a_deleted_issue_is_the_reverse_of_a_new_one() -> None:
    reverse = [{"field": f["field"], "before": f["after"], "after": None} for f in CREATED]
    assert diff.changed_fields(issue(), None) == reverse


def test_a_null_that_appears_is_no_change() -> None:
    assert diff.changed_fields(issue(), issue(assignee=None, hold=None)) == []


def test_version_and_time_of_change_and_unknown_keys_are_not_reported() -> None:
    assert diff.changed_fields(issue(), issue(version=9, updated_at=iso(9), mood="good")) == []


def test_the_order_of_keys_in_a_mapping_says_nothing_but_true_is_not_1() -> None:
    old, new = issue(extensions={"a": {"x": 1, "y": 2}}), issue(extensions={"a": {"y": 2, "x": 1}})
    assert diff.changed_fields(old, new) == []
    assert diff.changed_fields(old, issue(extensions={"a": {"y": 2, "x": True}}))


def test_every_field_of_an_issue_is_reported_but_four() -> None:
    fields = {name for name, *_ in KNOWN} | set(BODY)
    assert fields - set(diff.FIELDS) == {"type", "id", "version", "updated_at"}
    assert set(diff.FIELDS) <= fields


def test_compare_goes_by_id_and_leaves_out_the_unchanged() -> None:
    before = {"is-c": issue(), "is-a": issue(), "is-d": issue()}
    after = {"is-d": issue(version=2), "is-c": issue(title="Two"), "is-b": issue()}
    assert [(of, change) for of, change, _ in diff.compare(before, after)] == [
        ("is-a", "deleted"),
        ("is-b", "created"),
        ("is-c", "updated"),
    ]


def test_a_text_change_comes_with_its_hunks() -> None:
    old = "\n".join("abcdefghijklmnopqrst")
    new = old.replace("b\n", "").replace("s", "S\nS")
    (change,) = diff.changed_fields(issue(description=old), issue(description=new))
    assert change["before"] == old and change["after"] == new
    lines = [[(line["type"], line["text"]) for line in hunk.pop("lines")] for hunk in change["hunks"]]
    assert change["hunks"] == [
        {"old_start": 1, "old_count": 5, "new_start": 1, "new_count": 4},
        {"old_start": 16, "old_count": 5, "new_start": 15, "new_count": 6},
    ]
    assert lines[0] == [("context", "a"), ("remove", "b"), *(("context", c) for c in "cde")]
    assert lines[1][3:] == [("remove", "s"), ("add", "S"), ("add", "S"), ("context", "t")]


def test_a_text_that_appears_is_one_hunk_that_starts_at_no_line() -> None:
    (change,) = diff.changed_fields(issue(), issue(notes="x\ny"))
    assert change == {
        "field": "notes",
        "before": None,
        "after": "x\ny",
        "hunks": [
            {
                "old_start": 0,
                "old_count": 0,
                "new_start": 1,
                "new_count": 2,
                "lines": [{"type": "add", "text": "x"}, {"type": "add", "text": "y"}],
            }
        ],
    }


@pytest.mark.parametrize(("gap", "count"), [(6, 1), (7, 2)])
def test_changes_six_lines_apart_share_a_hunk(gap: int, count: int) -> None:
    middle = "\n".join(map(str, range(gap)))
    assert len(diff.hunks(f"a\n{middle}\nb", f"A\n{middle}\nB")) == count


def test_a_very_long_text_has_its_hunks_omitted() -> None:
    (change,) = diff.changed_fields(issue(notes="x"), issue(notes="x\n" * diff.HUNK_LINES + "x"))
    assert change["hunks_omitted"] is True
    assert "hunks" not in change
    (change,) = diff.changed_fields(issue(notes="x"), issue(notes="x\n" * (diff.HUNK_LINES - 1) + "x"))
    assert "hunks_omitted" not in change


def test_texts_without_anything_in_common_take_less_than_two_seconds() -> None:
    old, new = ("\n".join(f"{side}{n % 7}" for n in range(diff.HUNK_LINES)) for side in "ab")
    started = time.perf_counter()
    (hunk,) = diff.hunks(old, new)
    assert (hunk["old_count"], hunk["new_count"]) == (diff.HUNK_LINES, diff.HUNK_LINES)
    assert time.perf_counter() - started < 2


def apply(before: str, hunks: list[dict]) -> str:
    """What `patch` would do, with every context and removed line checked, in either direction."""
    old = before.split("\n") if before else []
    out: list[str] = []
    at = 0
    for hunk in hunks:
        start = hunk["old_start"] - (hunk["old_count"] > 0)
        out += old[at:start]
        at = start
        assert len(out) == hunk["new_start"] - (hunk["new_count"] > 0)
        was = [line["text"] for line in hunk["lines"] if line["type"] != "add"]
        now = [line["text"] for line in hunk["lines"] if line["type"] != "remove"]
        assert (len(was), len(now)) == (hunk["old_count"], hunk["new_count"])
        assert old[at : at + len(was)] == was
        out += now
        at += len(was)
    return "\n".join(out + old[at:])


bodies = st.lists(st.sampled_from(["a", "b", "c", "d", " "]), max_size=40).map("\n".join).map(str.strip)


def check_applies(before: str, after: str) -> None:
    hunks = diff.hunks(before, after)
    assert apply(before, hunks) == after
    assert bool(hunks) == (before != after)
    for hunk in hunks:
        kinds = [line["type"] for line in hunk["lines"]]
        assert kinds[:4] != ["context"] * 4 and kinds[-4:] != ["context"] * 4


@given(bodies, bodies)
@few
def test_hunks_lead_from_the_one_text_to_the_other(before: str, after: str) -> None:
    check_applies(before, after)


@pytest.mark.long
@given(bodies, bodies)
@many
def test_hunks_lead_from_the_one_text_to_the_other_many_times(before: str, after: str) -> None:
    check_applies(before, after)
