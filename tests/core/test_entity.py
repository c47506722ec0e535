"""What an issue is: orders, defaults, rules, and no value that breaks the checks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core import entity

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
ID, OTHER = "is-01k00000000000000000000000", "is-01k00000000000000000000001"
NOW = "2026-01-01T00:00:00.000Z"
GOOD = {
    "type": "is",
    "id": ID,
    "title": "Fix it",
    "kind": "bug",
    "status": "open",
    "priority": 1,
    "version": 3,
    "labels": [],
    "dependencies": [],
    "created_at": NOW,
    "updated_at": NOW,
}


def without(*names: str) -> dict:
    return {k: v for k, v in GOOD.items() if k not in names}


def test_a_good_issue_has_no_problems() -> None:
    assert entity.problems(GOOD) == []


def test_the_file_has_tbds_order_unknown_keys_last_and_no_body() -> None:
    fields = {"zeta": 1, "description": "x", "extensions": {}, "alpha": 2, "notes": "y", **dict(reversed(GOOD.items()))}
    assert list(entity.in_file_order(fields)) == [*GOOD, "extensions", "zeta", "alpha"]


def test_json_has_tbds_order() -> None:
    fields = {"zeta": 1, **GOOD, "notes": "y", "description": "x", "assignee": "me", "extensions": {}}
    assert list(entity.in_json_order(fields)) == [
        *("type", "id", "version", "created_at", "updated_at", "extensions", "title", "kind", "status", "priority"),
        *("description", "notes", "assignee", "labels", "dependencies", "zeta"),
    ]


def test_a_file_made_by_hand_may_leave_out_what_has_a_default() -> None:
    issue = entity.with_defaults(without(*entity.DEFAULTS))
    assert {name: issue[name] for name in entity.DEFAULTS} == {
        "kind": "task",
        "status": "open",
        "priority": 2,
        "labels": [],
        "dependencies": [],
    }
    assert entity.problems(issue) == []


def test_defaults_are_not_shared_between_issues() -> None:
    entity.with_defaults({})["labels"].append("x")
    assert entity.with_defaults({})["labels"] == []


def test_a_default_does_not_replace_what_is_there() -> None:
    assert entity.with_defaults({"priority": 0, "labels": None}) | {} == {
        "priority": 0,
        "labels": None,
        "kind": "task",
        "status": "open",
        "dependencies": [],
    }


@pytest.mark.parametrize("name", ["type", "id", "title", "version", "created_at", "updated_at"])
def test_a_field_that_must_be_there(name: str) -> None:
    assert entity.problems(without(name)) == [(name, "Required")]


OPTIONAL = [name for name, holds, *_ in entity.FIELDS if holds.endswith("?")]


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_field_that_was_cleared_is_null(name: str) -> None:
    assert entity.problems(GOOD | {name: None}) == []


@pytest.mark.parametrize("name", [name for name, *_ in entity.FIELDS if name not in OPTIONAL])
def test_a_field_that_cannot_be_null(name: str) -> None:
    assert [field for field, _ in entity.problems(GOOD | {name: None})] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "issue"),
        ("id", "is-x"),
        ("id", ID.upper()),
        ("title", ""),
        ("title", "x" * 501),
        ("title", 5),
        ("kind", "Bug"),
        ("status", "done"),
        ("priority", 5),
        ("priority", -1),
        ("priority", "1"),
        ("priority", True),
        ("priority", float("nan")),
        ("version", -1),
        ("version", True),
        ("version", 1.0),
        ("labels", "x"),
        ("labels", [1]),
        ("labels", {"x": 1}),
        ("dependencies", [ID]),
        ("dependencies", [{"type": "blocks"}]),
        ("dependencies", [{"type": "follows", "target": ID}]),
        ("parent_id", "../" + ID),
        ("child_order_hints", [ID, None]),
        ("docs", [{"role": "x"}]),
        ("refs", [{"kind": "pr"}]),
        ("due_date", "2026-01-01"),
        ("created_at", "2026-02-30T00:00:00.000Z"),
        ("hold", "on"),
        ("resolution", "fixed"),
        ("extensions", []),
        ("description", "x" * 50_001),
        ("notes", 5),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object) -> None:
    assert [field for field, _ in entity.problems(GOOD | {name: value})] == [name]


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "x" * 500, "description": "x" * 50_000},
        {"dependencies": [{"type": "blocks", "target": OTHER, "note": "kept"}]},
        {"docs": [{"path": "a.md", "role": "design"}], "refs": [{"kind": "pr", "url": "https://example.com"}]},
        {"status": "closed", "resolution": "duplicate", "duplicate_of": OTHER},
        {"status": "closed", "resolution": None, "duplicate_of": None},
        {"hold": "paused", "hold_until": NOW},
        {"hold": "blocked", "status": "in_progress"},
        {"mood": {"any": ["thing"]}},
    ],
)
def test_what_is_allowed(fields: dict) -> None:
    assert entity.problems(GOOD | fields) == []


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"resolution": "completed"}, "resolution"),
        ({"status": "closed", "resolution": "duplicate"}, "duplicate_of"),
        ({"status": "closed", "duplicate_of": OTHER}, "duplicate_of"),
        ({"status": "closed", "hold": "blocked"}, "hold"),
        ({"hold_until": NOW}, "hold_until"),
        ({"hold": "blocked", "hold_until": NOW}, "hold_until"),
    ],
)
def test_rules_that_span_fields(fields: dict, name: str) -> None:
    assert [field for field, _ in entity.problems(GOOD | fields)] == [name]


def test_an_enum_says_what_it_takes_as_tbd_says_it() -> None:
    assert entity.problems(GOOD | {"hold": "on"}) == [
        ("hold", "Invalid enum value. Expected 'blocked' | 'paused', received 'on'")
    ]


def test_a_long_value_is_cut_in_the_complaint() -> None:
    ((_, what),) = entity.problems(GOOD | {"hold": "x" * 9_000})
    assert len(what) < 150 and what.endswith("...")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.just(ID) | st.just(NOW),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "target", "path", "x"]), inner)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*entity.ORDER, *entity.BODY, "mood"]), values, max_size=4))
@few
def test_no_value_breaks_the_checks(fields: dict) -> None:
    for name, what in entity.problems(GOOD | fields):
        assert name in fields or name in ("duplicate_of", "hold_until", "hold", "resolution")
        assert what


def test_what_an_older_client_keeps_is_every_field_but_the_new_ones() -> None:
    assert set(entity.ORDER) - entity.OLD_KEYS == {
        *("docs", "refs", "delegate", "hold", "hold_until", "started_at", "resolution", "duplicate_of")
    }
