"""The merge as algebra: commutative, idempotent, losing nothing; and each rule by an example."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tbdx.core import attic, codec, loose, merge
from tbdx.core.entity import FIELDS, problems
from tbdx.core.meet import lines

Issue = dict[str, Any]

few = settings(max_examples=60, deadline=None, database=None, derandomize=True)
many = settings(max_examples=1_500, deadline=None, database=None)

ID = "is-01jxt7d5r0000000000000000a"
OTHERS = [f"is-01jxt7d5r0000000000000000{c}" for c in "bcde"]
PATH = f"{merge.ISSUES}{ID}.md"
RULES = {name: rule for name, _, _, rule in FIELDS} | dict.fromkeys(("description", "notes"), "lines")
STATE = ("status", "hold", "hold_until", "closed_at", "close_reason", "resolution", "duplicate_of")

# values, as strategies

times = st.sampled_from([f"2025-01-0{d}T00:00:00.00{ms}Z" for d in (1, 2, 3) for ms in (0, 1)])
texts = st.sampled_from(["a", "b", "a b", "1", "null", "é", "x: y", "two\nlines", "## notes", "…"])
scalars = st.none() | st.booleans() | st.integers(-1, 2) | texts
bodies = st.lists(st.sampled_from(["one", "two", "three", "", "- x"]), min_size=1, max_size=6).map("\n".join)
bodies = bodies.map(str.strip).filter(bool)
trees = st.recursive(
    scalars, lambda t: st.lists(t, max_size=2) | st.dictionaries(st.sampled_from("abc"), t, max_size=3), max_leaves=6
)
refs = st.fixed_dictionaries({"kind": st.just("pr"), "url": st.sampled_from(["http://a/1", "http://b/2"]), "t": texts})
docs = st.fixed_dictionaries({"path": st.sampled_from(["a.md", "b.md"]), "role": texts})
edges = st.sampled_from(OTHERS).map(lambda target: {"type": "blocks", "target": target})


@st.composite
def states(draw: Any) -> Issue:
    """Status and companions that go together."""
    status = draw(st.sampled_from(["open", "in_progress", "blocked", "deferred", "closed"]))
    out: Issue = {"status": status}
    if status == "closed":
        out |= {"closed_at": draw(times), "close_reason": draw(st.none() | texts)}
        how = draw(st.sampled_from([None, "canceled", "duplicate"]))
        out |= {"resolution": how, "duplicate_of": OTHERS[0] if how == "duplicate" else None}
    else:
        hold = draw(st.sampled_from([None, "paused", "blocked"]))
        if hold or draw(st.booleans()):
            out |= {"hold": hold, "hold_until": draw(times) if hold == "paused" else None}
        if draw(st.booleans()):
            out |= {"closed_at": None, "close_reason": None}
    return out


OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "assignee": st.none() | texts,
    "delegate": st.none() | texts,
    "parent_id": st.none() | st.sampled_from(OTHERS),
    "due_date": st.none() | times,
    "created_by": st.none() | texts,
    "started_at": st.none() | times,
    "spec_path": st.none() | texts,
    "child_order_hints": st.none() | st.lists(st.sampled_from(OTHERS), max_size=3),
    "refs": st.lists(refs, max_size=3),
    "docs": st.lists(docs, max_size=3),
    "extensions": st.dictionaries(st.sampled_from(["gh", "lin"]), trees, max_size=2),
    "zz_new": trees,
    "../evil": trees,
    "description": bodies,
    "notes": bodies,
}
always = st.fixed_dictionaries(
    {
        "title": texts,
        "kind": st.sampled_from(["bug", "task"]),
        "priority": st.integers(0, 4),
        "labels": st.lists(st.sampled_from("xyz"), max_size=3),
        "dependencies": st.lists(edges, max_size=2),
    }
)
optional = st.fixed_dictionaries({}, optional=OPTIONAL)


@st.composite
def issues(draw: Any) -> Issue:
    fields: Issue = {"type": "is", "id": ID, "created_at": "2025-01-01T00:00:00.000Z"}
    fields |= draw(always) | draw(states()) | draw(optional)
    return fields | {"version": draw(st.integers(1, 3)), "updated_at": draw(times)}


@st.composite
def edited(draw: Any, base: Issue) -> Issue:
    """A later version of an issue; or the same one."""
    if draw(st.integers(0, 5)) == 0:
        return dict(base)
    out = {n: v for n, v in base.items() if n not in STATE} if draw(st.booleans()) else dict(base)
    if "status" not in out:
        out |= draw(states())
    source = draw(issues())
    for name in draw(st.lists(st.sampled_from([*OPTIONAL, "title", "kind", "priority", "labels", "dependencies"]))):
        if name in source:
            out[name] = source[name]
        elif name in OPTIONAL:
            out.pop(name, None)
    if out == base:
        return out
    return out | {"version": base["version"] + draw(st.integers(1, 2)), "updated_at": draw(times)}


@st.composite
def meetings(draw: Any, *, with_base: bool = True) -> tuple[Issue | None, Issue, Issue]:
    base = draw(issues())
    a, b = draw(edited(base)), draw(edited(base))
    return (base if with_base and draw(st.integers(0, 5)) else None), a, b


def same(a: Any, b: Any) -> bool:
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def is_kept(value: Any, was: Any, holders: list[Any]) -> bool:
    """True when a value, or each part of it that is new, can be found in the merged field or in what was lost."""
    if value is None or same(value, was) or any(same(value, h) for h in holders):
        return True
    if isinstance(value, dict):
        old = was if isinstance(was, dict) else {}
        return all(
            is_kept(v, old.get(key), [h[key] for h in holders if isinstance(h, dict) and key in h])
            for key, v in value.items()
        )
    if isinstance(value, list):
        parts = [x for h in holders for x in (h if isinstance(h, list) else h.values() if isinstance(h, dict) else ())]
        old_parts = was if isinstance(was, list) else []
        return all(any(same(x, p) for p in (*parts, *old_parts)) for x in value)
    return False


def new_lines(was: str, text: str) -> Counter[str]:
    """The lines of a text that the text before did not have."""
    return Counter(text.split("\n")) - Counter(was.split("\n"))


def check_nothing_is_lost(meeting: tuple[Issue | None, Issue, Issue]) -> None:
    base, a, b = meeting
    merged, losses = merge.merge_issues(base, a, b)
    for side, other in ((a, b), (b, a)):
        for name, value in side.items():
            if name in ("version", "updated_at"):
                continue
            lost = [loss.value for loss in losses if loss.field == name]
            was = (base or {}).get(name)
            if RULES.get(name) == "lines" and value in lost:
                continue
            if RULES.get(name) == "lines":  # the lines that it put in are in the merged text
                gone = new_lines(other.get(name) or "", was or "")  # an equal line of before, which the other took out
                there = new_lines(was or "", merged.get(name, "")) + gone
                assert new_lines(was or "", value) <= there, (name, merged)
            else:
                assert is_kept(value, was, [merged.get(name), *lost]), (name, value, merged, lost)


def test_a_line_that_one_adds_and_the_other_takes_out_is_there_once() -> None:
    """One puts a second `one` below the first, the other makes `two` of that."""
    assert lines("one", ["one\none", "two"])[0] == lines("one", ["two", "one\none"])[0] == "two\none"


def check_algebra(meeting: tuple[Issue | None, Issue, Issue]) -> None:
    base, a, b = meeting
    merged, losses = merge.merge_issues(base, a, b)
    mirrored, other = merge.merge_issues(base, b, a)
    none = lambda _: None  # noqa: E731
    assert codec.render(merged) == codec.render(mirrored)
    assert attic.attic_files(losses, none) == attic.attic_files(other, none)
    assert problems(merged) == [], merged
    assert merged["version"] >= max(a["version"], b["version"]) and merged["updated_at"] in (
        a["updated_at"],
        b["updated_at"],
    )
    again, more = merge.merge_issues(base, a, a)
    assert again is a and not more
    # meeting an ancestor of itself once more changes nothing that is said, but for texts, whose lines may seem to be
    # other ones then; sync never lets them meet again
    settled, _ = merge.merge_issues(base, a, merged)
    assert same(json.loads(merge_said(settled)), json.loads(merge_said(merged)))
    for name in STATE:  # what goes with the status comes from one side, whole
        assert any(all(same(merged.get(n), s.get(n)) for n in STATE) for s in (a, b)), name
    for name in merged:
        assert name in a or name in b
    for name, rule in RULES.items():
        if base is not None and rule != "state" and same(a.get(name), base.get(name)) and name in merged:
            assert same(merged.get(name), b.get(name)) or name in ("version", "updated_at")


def merge_said(issue: Issue) -> str:
    """Its values; null and absent say the same, and what is fixed has a rule of its own."""
    aside = ("version", "updated_at", "created_by", "description", "notes")
    bare = {k: v for k, v in issue.items() if k not in aside and v is not None}
    return json.dumps(bare, sort_keys=True)


@given(meetings())
@few
def test_a_merge_is_commutative_idempotent_and_loses_nothing(meeting: tuple[Issue | None, Issue, Issue]) -> None:
    check_algebra(meeting)
    check_nothing_is_lost(meeting)


@pytest.mark.long
@given(meetings())
@many
def test_a_merge_is_commutative_idempotent_and_loses_nothing_many_times(
    meeting: tuple[Issue | None, Issue, Issue],
) -> None:
    check_algebra(meeting)
    check_nothing_is_lost(meeting)


@given(issues().flatmap(lambda base: st.tuples(st.just(base), edited(base))))
@few
def test_where_one_side_is_the_base_the_other_one_stands_as_it_is(pair: tuple[Issue, Issue]) -> None:
    base, new = pair
    for a, b in ((base, new), (new, base)):
        merged, losses = merge.merge_issues(base, a, b)
        assert not losses
        assert merged is new or same(base, new)


# whole trees, as bytes


def data(issue: Issue) -> bytes:
    return codec.render(issue).encode()


@st.composite
def tree_meetings(draw: Any) -> tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    trees: tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]] = ({}, {}, {})
    base, a, b = draw(meetings(with_base=False))[0], *draw(meetings())[1:]
    damaged = st.sampled_from([b"", b"---\ntitle: [\n---\n", b"<<<<<<< a\n=======\n>>>>>>> b\n"])
    choices = st.sampled_from([None, data(a), data(b)]) | damaged
    for tree in trees:
        found = draw(choices if base is None else choices)
        if found is not None:
            tree[PATH] = found
        found = draw(st.sampled_from([None, b"k1: 01jxt7d5r0000000000000000a\n", b"k1: 01jxt7d5r0000000000000000b\n"]))
        if found is not None:
            tree[merge.NAMES] = found
        found = draw(st.sampled_from([None, b"1", b"2", b"3"]))
        if found is not None:
            tree[merge.DATA + "bridge/x.yml"] = found
    return trees


def check_trees(trees: tuple[dict[str, bytes], dict[str, bytes], dict[str, bytes]]) -> None:
    base, a, b = trees
    merged, losses = merge.merge_trees(base, a, b)
    mirrored, _ = merge.merge_trees(base, b, a)
    assert merged == mirrored
    for path in merged:
        assert path.startswith(merge.DATA) and ".." not in path.split("/") and "//" not in path
    assert merge.merge_trees(base, a, a)[0] == {p: a.get(p) for p in {*base, *a}}
    # every version of a file that is not an issue, and each damaged one, is kept whole
    for path in (merge.DATA + "bridge/x.yml", PATH):
        for side in (a, b):
            found = side.get(path)
            if found is None or found == base.get(path) or (path == PATH and is_good(found)):
                continue
            assert found in merged.values(), (path, found)


def is_good(found: bytes) -> bool:
    try:
        codec.parse(codec.decode(found))
    except Exception:  # noqa: BLE001 - any complaint will do
        return False
    return True


@given(tree_meetings())
@few
def test_trees_meet_the_same_way_from_both_sides(trees: Any) -> None:
    check_trees(trees)


@pytest.mark.long
@given(tree_meetings())
@settings(many, max_examples=500)
def test_trees_meet_the_same_way_from_both_sides_many_times(trees: Any) -> None:
    check_trees(trees)


# by example

BASE: Issue = {
    "type": "is",
    "id": ID,
    "title": "T",
    "kind": "task",
    "status": "open",
    "priority": 2,
    "version": 1,
    "labels": ["base"],
    "dependencies": [],
    "created_at": "2025-01-01T00:00:00.000Z",
    "updated_at": "2025-01-01T00:00:00.000Z",
}


def later(day: int, issue: Issue = BASE, /, **changes: Any) -> Issue:
    return issue | changes | {"version": issue["version"] + 1, "updated_at": f"2025-01-{day:02d}T00:00:00.000Z"}


def met(a: Issue, b: Issue, base: Issue | None = BASE) -> tuple[Issue, list[tuple[str, Any]]]:
    """(merged, [(field, lost value)])."""
    merged, losses = merge.merge_issues(base, a, b)
    return merged, [(loss.field, loss.value) for loss in losses]


def test_edits_of_different_fields_are_both_kept_without_a_loss() -> None:
    merged, lost = met(later(2, title="A"), later(3, priority=0))
    assert merged["title"] == "A" and merged["priority"] == 0 and not lost
    assert merged["version"] == 3 and merged["updated_at"] == "2025-01-03T00:00:00.000Z"


def test_of_two_edits_of_one_field_the_later_stands_and_the_other_goes_to_the_attic() -> None:
    merged, lost = met(later(3, title="late"), later(2, title="early"))
    assert merged["title"] == "late" and lost == [("title", "early")]


def test_a_tie_in_time_is_settled_by_content_and_not_by_whose_side_it_is() -> None:
    a, b = later(2, title="A"), later(2, title="B")
    one, other = met(a, b), met(b, a)
    assert one == other and sorted([one[0]["title"], one[1][0][1]]) == ["A", "B"]


def test_a_null_where_nothing_was_is_no_edit() -> None:
    merged, lost = met(later(3, assignee=None), later(2, assignee="me"))
    assert merged["assignee"] == "me" and not lost


def test_an_added_label_does_not_bring_back_a_removed_one() -> None:  # tbd.md §13b.18
    merged, lost = met(later(2, labels=[]), later(3, labels=["base", "new"]))
    assert merged["labels"] == ["new"] and not lost


def test_labels_added_on_both_sides_are_united() -> None:
    merged, _ = met(later(2, labels=["base", "a"]), later(3, labels=["base", "b"]))
    assert merged["labels"] == ["base", "a", "b"]


def test_an_untouched_list_with_duplicates_keeps_them() -> None:
    base = BASE | {"labels": ["x", "x"]}
    merged, _ = met(later(2, base, title="A"), later(3, base, priority=0), base)
    assert merged["labels"] == ["x", "x"]


def test_records_with_one_key_are_all_kept() -> None:
    twice = [{"kind": "pr", "url": "http://a", "title": "1"}, {"kind": "pr", "url": "http://a", "title": "2"}]
    more = {"kind": "pr", "url": "http://b"}
    merged, _ = met(later(2, refs=twice), later(3, refs=[more]))
    assert all(r in merged["refs"] for r in (*twice, more))


def test_a_close_that_loses_against_a_later_edit_of_the_status_goes_whole() -> None:
    closed = later(2, status="closed", closed_at="2025-01-02T00:00:00.000Z", close_reason="done")
    merged, lost = met(closed, later(3, status="in_progress"))
    assert merged["status"] == "in_progress" and not merged.get("closed_at") and not merged.get("close_reason")
    assert ("status", "closed") in lost and ("close_reason", "done") in lost
    assert ("closed_at", "2025-01-02T00:00:00.000Z") in lost


def test_a_close_stands_beside_a_later_edit_of_something_else() -> None:
    closed = later(2, status="closed", closed_at="2025-01-02T00:00:00.000Z", close_reason=None)
    merged, lost = met(closed, later(3, title="new"))
    assert merged["status"] == "closed" and merged["closed_at"] and merged["title"] == "new" and not lost


def test_a_hold_does_not_end_up_on_a_closed_issue() -> None:
    closed = later(2, status="closed", closed_at="2025-01-02T00:00:00.000Z")
    for day in (1, 3):
        merged, _ = met(closed, later(day, hold="paused", hold_until="2026-01-01T00:00:00.000Z"))
        assert problems(merged) == []


def test_the_earlier_start_stands_and_the_later_one_is_kept() -> None:
    one, two = "2025-01-02T00:00:00.000Z", "2025-01-03T00:00:00.000Z"
    merged, lost = met(later(2, started_at=one), later(3, started_at=two))
    assert merged["started_at"] == one and lost == [("started_at", two)]


def test_what_is_fixed_stays_and_both_other_values_are_kept() -> None:
    base = BASE | {"created_by": "me"}
    merged, lost = met(later(2, base, created_by="a"), later(3, base, created_by="b"), base)
    assert merged["created_by"] == "me" and sorted(lost) == [("created_by", "a"), ("created_by", "b")]


def test_extensions_meet_key_by_key_and_an_edit_outlives_a_deletion() -> None:
    base = BASE | {"extensions": {"gh": {"id": 1, "deep": {"a": 1, "b": 2}}, "old": {"x": 1}}}
    a = later(2, base, extensions={"gh": {"id": 1, "deep": {"a": 9, "b": 2}}, "old": {"x": 2}})
    b = later(3, base, extensions={"gh": {"id": 1, "deep": {"a": 1, "b": 2, "c": 3}, "n": 0}})
    merged, lost = met(a, b, base)
    assert merged["extensions"] == {
        "gh": {"id": 1, "deep": {"a": 9, "b": 2, "c": 3}, "n": 0},
        "old": {"x": 2},
    }
    assert lost == [("extensions", {"old": attic.DELETED})]


def test_a_number_and_a_truth_value_are_not_the_same_value() -> None:
    base = BASE | {"extensions": {"x": {"n": 0}}}
    a, b = later(2, base, extensions={"x": {"n": True}}), later(3, base, extensions={"x": {"n": 1}})
    merged, lost = met(a, b, base)
    assert merged["extensions"]["x"]["n"] is not True and lost == [("extensions", {"x": {"n": True}})]


def test_unknown_keys_of_both_sides_travel_along() -> None:
    merged, lost = met(later(2, aa=1, both={"x": 1}), later(3, zz=[2], both={"y": 2}))
    assert merged["aa"] == 1 and merged["zz"] == [2] and merged["both"] == {"x": 1, "y": 2} and not lost


def test_a_merge_that_says_what_one_side_says_is_that_side_unraised() -> None:
    a = later(2, title="A")
    b = a | {"priority": 0, "version": 3, "updated_at": "2025-01-04T00:00:00.000Z"}
    assert met(a, b)[0] is b


def test_without_a_base_the_earlier_created_issue_stands_and_the_other_is_kept_whole() -> None:
    a, b = later(2, title="A"), later(3, title="B", created_at="2025-01-01T00:00:00.001Z")
    for one, other in ((a, b), (b, a)):
        merged, lost = met(one, other, None)
        assert merged is a and lost == [("whole_issue", codec.render(b))]


def test_without_a_base_and_created_at_one_moment_both_sides_values_are_kept() -> None:
    merged, lost = met(BASE | {"title": "A"}, BASE | {"title": "B", "labels": ["b"]}, None)
    assert sorted([merged["title"], *(v for f, v in lost if f == "title")]) == ["A", "B"]
    assert sorted(merged["labels"]) == ["b", "base"]


# texts

TEXT = "one\ntwo\nthree\n\nfour"


@pytest.mark.parametrize(
    "late, early, merged, is_lost",
    [
        (TEXT.replace("one", "ONE"), TEXT.replace("four", "FOUR"), "ONE\ntwo\nthree\n\nFOUR", False),
        (TEXT.replace("one", "ONE"), TEXT.replace("one", "1"), TEXT.replace("one", "ONE"), True),
        (TEXT.replace("one", "ONE"), TEXT.replace("one", "1").replace("four", "4"), "ONE\ntwo\nthree\n\n4", True),
        (TEXT.replace("one", "ONE"), TEXT.replace("two", "TWO"), "ONE\nTWO\nthree\n\nfour", False),
        (TEXT + "\nlater", TEXT + "\nearlier", TEXT + "\nearlier\nlater", False),
        (TEXT + "\nboth\nlater", TEXT + "\nboth", TEXT + "\nboth\nlater", False),
        (TEXT + "\nboth", TEXT + "\nboth\nearlier", TEXT + "\nboth\nearlier", False),
        (TEXT.replace("two\n", ""), TEXT.replace("two", "TWO"), TEXT.replace("two\n", ""), True),
        (TEXT.replace("two", "TWO"), TEXT.replace("two\n", ""), TEXT.replace("two", "TWO"), True),
        (TEXT.replace("two\n", ""), TEXT.replace("two\n", ""), TEXT.replace("two\n", ""), False),
        ("another text", TEXT.replace("two", "TWO"), "another text", True),
    ],
)
def test_a_text_meets_by_lines(late: str, early: str, merged: str, is_lost: bool) -> None:
    base = BASE | {"description": TEXT}
    a, b = later(3, base, description=late), later(2, base, description=early)
    for one, other in ((a, b), (b, a)):
        issue, lost = met(one, other, base)
        assert issue["description"] == merged and lost == ([("description", early)] if is_lost else [])


def test_two_first_texts_are_not_mixed() -> None:
    merged, lost = met(later(3, description="late"), later(2, description="early"))
    assert merged["description"] == "late" and lost == [("description", "early")]


def test_a_text_that_was_taken_away_and_edited_stays_edited() -> None:
    base = BASE | {"notes": "a\nb"}
    gone = {k: v for k, v in later(3, base).items() if k != "notes"}
    merged, lost = met(gone, later(2, base, notes="a\nB"), base)
    assert merged["notes"] == "a\nB" and lost == [("notes", attic.DELETED)]


def test_texts_that_would_be_too_long_together_are_not_put_together() -> None:
    base = BASE | {"notes": "x"}
    a, b = later(3, base, notes="x\n" + "a" * 30_000), later(2, base, notes="x\n" + "b" * 30_000)
    merged, lost = met(a, b, base)
    assert merged["notes"] == a["notes"] and lost == [("notes", b["notes"])] and problems(merged) == []


def test_texts_of_many_equal_lines_meet_in_no_time() -> None:
    base = BASE | {"notes": "x\n" * 20_000 + "end"}
    a, b = (later(n, base, notes=("x\n" * 100 + f"{n}\n") * 190 + "end") for n in (2, 3))
    began = time.monotonic()
    met(a, b, base)
    assert time.monotonic() - began < 2


def test_the_order_of_children_that_one_side_gave_stays_beside_a_new_child() -> None:
    base = BASE | {"child_order_hints": OTHERS[:3]}
    a = later(2, base, child_order_hints=[OTHERS[2], OTHERS[0], OTHERS[1]])
    b = later(3, base, child_order_hints=OTHERS[:4])
    merged, lost = met(a, b, base)
    assert merged["child_order_hints"] == [OTHERS[2], OTHERS[0], OTHERS[1], OTHERS[3]] and not lost


def test_of_two_orders_the_earlier_is_kept_in_the_attic() -> None:
    base = BASE | {"child_order_hints": OTHERS[:3]}
    first, second = OTHERS[1::-1] + [OTHERS[2]], OTHERS[2::-1]
    merged, lost = met(later(2, base, child_order_hints=first), later(3, base, child_order_hints=second), base)
    assert merged["child_order_hints"] == second and lost == [("child_order_hints", first)]


def test_three_clones_lose_nothing_in_whatever_order_they_meet() -> None:
    sides = [later(2, title="A"), later(3, title="B", priority=0), later(4, title="C", labels=["base", "c"])]
    for order in itertools.permutations(sides):
        at, gone = order[0], []
        for side in order[1:]:
            at, lost = met(at, side)
            gone += [v for f, v in lost if f == "title"]
        assert {at["title"], *gone} == {"A", "B", "C"} and at["priority"] == 0 and at["labels"] == ["base", "c"]
        assert at["title"] == "C"


# files


def meet_files(base: bytes | None, a: bytes | None, b: bytes | None, path: str = PATH) -> dict[str, bytes | None]:
    def tree(found: bytes | None) -> dict[str, bytes]:
        return {} if found is None else {path: found}

    one, _ = merge.merge_trees(tree(base), tree(a), tree(b))
    assert merge.merge_trees(tree(base), tree(b), tree(a))[0] == one
    return one


def entries(tree: dict[str, bytes | None]) -> list[dict[str, Any]]:
    found = [d for p, d in tree.items() if p.startswith(attic.FOLDER) and p.endswith(".yml")]
    return [loose.load_map(d.decode())[0] for d in found if d]


def test_an_edit_outlives_a_delete_and_the_deletion_is_noted() -> None:
    new = data(later(2, title="new"))
    tree = meet_files(data(BASE), None, new)
    assert tree[PATH] == new
    assert [(e["field"], json.loads(e["lost_value"])) for e in entries(tree)] == [("whole_issue", attic.DELETED)]


def test_a_deletion_that_nobody_opposed_stays() -> None:
    assert meet_files(data(BASE), None, data(BASE)) == {PATH: None}


def test_a_damaged_file_on_one_side_is_kept_aside_and_the_good_one_stands() -> None:
    good, bad = data(later(2, title="new")), b"---\nid: x\n<<<<<<< HEAD\n"
    tree = meet_files(data(BASE), good, bad)
    aside = [p for p in tree if p.startswith(attic.FOLDER + "conflicts/")]
    assert tree[PATH] == good and [tree[p] for p in aside] == [bad]


def test_two_damaged_files_are_both_kept() -> None:
    tree = meet_files(data(BASE), b"x", b"y")
    assert sorted(d for d in tree.values() if d) == [b"x", b"y"]


def test_a_file_of_another_kind_changed_on_both_sides_is_kept_in_both_versions() -> None:
    tree = meet_files(b"0", b"1", b"2", merge.DATA + "bridge/links/x.yml")
    assert sorted(d for d in tree.values() if d) == [b"1", b"2"]
    assert sum("/" in p.removeprefix(attic.FOLDER + "conflicts/") for p in tree) == 1


def test_a_file_beside_the_issues_is_no_issue() -> None:
    tree = meet_files(None, data(BASE), data(later(2, title="x")), f"{merge.ISSUES}{ID}.txt")
    assert sorted(d for d in tree.values() if d) == sorted([data(BASE), data(later(2, title="x"))])


AGENT = b"---\ntype: agent\nid: agid-1\nversion: 1\nupdated_at: 2025-01-01T00:00:00.000Z\nn: 0\n---\none\n\ntwo\n"
AT = merge.DATA + "agents/agid-1.md"


def test_entities_that_nobody_here_knows_meet_key_by_key_and_line_by_line() -> None:
    a = AGENT.replace(b"version: 1", b"version: 2").replace(b"n: 0", b"n: 1\nnew: x")
    b = AGENT.replace(b"version: 1", b"version: 2").replace(b"two", b"2")
    tree = meet_files(AGENT, a, b, AT)
    assert tree == {AT: a.replace(b"version: 2", b"version: 3").replace(b"two", b"2")}


def test_of_two_values_of_such_an_entity_the_losing_file_is_kept_whole() -> None:
    a = AGENT.replace(b"version: 1", b"version: 2").replace(b"n: 0", b"n: 1")
    b = AGENT.replace(b"version: 1", b"version: 2").replace(b"n: 0", b"n: 2").replace(b"01-01", b"01-02")
    tree = meet_files(AGENT, a, b, AT)
    assert tree[AT] == b and [d for p, d in tree.items() if p != AT] == [a]


def test_such_entities_without_a_base_or_a_head_are_both_kept() -> None:
    for base, a, b in ((None, AGENT, AGENT + b"x"), (b"1", AGENT, AGENT + b"x"), (AGENT, b"no head", AGENT + b"x")):
        assert set(meet_files(base, a, b, AT).values()) == {a, b}


def test_what_never_changes_stands_as_it_was_and_every_other_content_is_kept() -> None:
    path = merge.DATA + "messages/ms-01jxt7d5r0000000000000000a.md"
    tree = meet_files(b"first", b"a", b"z", path)
    assert tree[path] == b"first" and sorted(d for p, d in tree.items() if p != path and d) == [b"a", b"z"]
    assert sorted(d for d in meet_files(None, b"a", b"z", path).values() if d) == [b"a", b"z"]
    assert meet_files(b"first", None, b"z", path)[path] == b"first"


def test_two_attic_entries_of_one_loss_are_one() -> None:
    a, b, c = later(2, title="A"), later(3, title="B"), later(4, title="C")
    one, other = (merge.merge_trees(*({PATH: data(x)} for x in (BASE, a, w)))[0] for w in (b, c))
    (path,) = (p for p in one if p != PATH)
    assert one[path] != other[path] and [*meet_files(None, one[path], other[path], path)] == [path]


def test_two_attic_entries_of_one_name_are_both_kept_where_the_attic_shows_them() -> None:
    stem = f"{attic.FOLDER}{ID}_2025-01-02T00-00-00.000Z_title"
    assert meet_files(None, b"1\n", b"2\n", f"{stem}.yml") == {f"{stem}.yml": b"2\n", f"{stem}.1.yml": b"1\n"}
    assert meet_files(None, b"1\n", b"2\n", f"{stem}.1.yml") == {f"{stem}.1.yml": b"2\n", f"{stem}.yml": b"1\n"}
    ours, theirs = {f"{stem}.yml": b"1\n", f"{stem}.1.yml": b"3\n"}, {f"{stem}.yml": b"2\n"}
    wanted = {f"{stem}.yml": b"2\n", f"{stem}.1.yml": b"3\n", f"{stem}.2.yml": b"1\n"}
    assert merge.merge_trees({}, ours, theirs)[0] == wanted == merge.merge_trees({}, theirs, ours)[0]
    assert len(meet_files(None, b"1", b"2", f"{attic.FOLDER}notes.txt")) == 2


def test_an_attic_entry_that_one_side_took_away_and_the_other_changed_stays() -> None:
    path = f"{attic.FOLDER}{ID}_2025-01-02T00-00-00.000Z_title.yml"
    assert meet_files(b"1\n", None, b"2\n", path) == {path: b"2\n"}


def test_a_merge_whose_file_would_be_too_large_keeps_both_files() -> None:
    part = "x" * 600_000
    base = BASE | {"extensions": {}}
    a, b = (later(n, base, extensions={k: part}) for n, k in ((2, "a"), (3, "b")))
    tree = meet_files(data(base), data(a), data(b))
    assert set(tree.values()) == {data(a), data(b)}


def by_hand(issue: Issue) -> bytes:
    return data(issue).replace(b"title: T\n", b"# why\ntitle: 'T'\n")


def test_comments_and_quotes_of_the_later_side_stay() -> None:
    tree = meet_files(data(BASE), by_hand(later(5, priority=0)), data(later(3, labels=["base", "new"])))
    assert tree[PATH] == by_hand(later(5, priority=0, labels=["base", "new"]) | {"version": 3})


@pytest.mark.parametrize("side", [BASE, later(2, priority=0)])
def test_comments_and_quotes_of_the_earlier_side_stay_too(side: Issue) -> None:
    tree = meet_files(data(BASE), by_hand(side), data(later(3, labels=["base", "new"])))
    (text,) = (d for p, d in tree.items() if p == PATH)
    assert text and b"# why\ntitle: 'T'\n" in text and b"  - new\n" in text
    assert b"priority: %d\n" % side["priority"] in text


@pytest.mark.parametrize(
    "field", ["../../x", "a/b", "..", "\\x", ".", "a\nb", "é" * 300, "con:", "-", "\x1b[2J", "x" * 300]
)
def test_whatever_a_field_is_called_its_attic_file_stays_in_the_attic(field: str) -> None:
    a, b = later(2, **{field: "A"}), later(3, **{field: "B"})
    losses = merge.merge_issues(BASE, a, b)[1]
    (path,) = attic.attic_files(losses, lambda _: None)
    name = path.removeprefix(attic.FOLDER)
    assert path.startswith(attic.FOLDER) and "/" not in name and "\\" not in name and len(name.encode()) < 200
    assert name.isascii() and name.isprintable() and not name.startswith(".")
    assert entries({path: attic.attic_files(losses, lambda _: None)[path]})[0]["field"] == field


def test_an_instant_with_an_endless_fraction_makes_no_endless_file_name() -> None:
    a = later(2, title="A") | {"updated_at": "2025-01-02T00:00:00." + "0" * 400 + "Z"}
    (path,) = attic.attic_files(merge.merge_issues(BASE, a, later(3, title="B"))[1], lambda _: None)
    assert len(path.rpartition("/")[2]) < 200


def test_fields_whose_safe_names_are_alike_get_files_of_their_own() -> None:
    a, b = later(2, **{"a/b": 1, "b/a": 1}), later(3, **{"a/b": 2, "b/a": 2})
    assert len(attic.attic_files(merge.merge_issues(BASE, a, b)[1], lambda _: None)) == 2


def test_fields_that_differ_only_by_case_get_files_that_differ_by_more() -> None:  # faults.md B6
    names = ("mood", "Mood", "MOOD", "moOd")
    a, b = (later(n, **dict.fromkeys(names, n)) for n in (2, 3))
    assert len({path.lower() for path in attic.attic_files(merge.merge_issues(BASE, a, b)[1], lambda _: None)}) == 4


def test_an_attic_entry_never_takes_the_place_of_an_older_one() -> None:
    a, b = later(2, title="A"), later(3, title="B")
    first, _ = merge.merge_trees({PATH: data(BASE)}, {PATH: data(a)}, {PATH: data(b)})
    (path,) = (p for p in first if p.startswith(attic.FOLDER))
    c = later(2, title="C")
    args = {PATH: data(BASE)}, {PATH: data(c)}, {PATH: data(b)}
    second, _ = merge.merge_trees(*args, {path: first[path]}.get)
    assert path not in second and {e["lost_value"] for e in entries({**first, **second})} == {'"A"', '"C"'}
    same_again, _ = merge.merge_trees(args[0], {PATH: data(a)}, args[2], {path: first[path]}.get)
    assert same_again == {PATH: first[PATH]}


def test_attic_entries_are_written_as_tbd_writes_them() -> None:
    tree = meet_files(data(BASE), data(later(2, title='lost "one"')), data(later(3, title="B")))
    (path,) = (p for p in tree if p.startswith(attic.FOLDER))
    assert path == f"{attic.FOLDER}{ID}_2025-01-02T00-00-00.000Z_title.yml"
    assert (tree[path] or b"").decode() == (
        f"entity_id: {ID}\n"
        "timestamp: 2025-01-02T00:00:00.000Z\n"
        "field: title\n"
        'lost_value: \'"lost \\"one\\""\'\n'
        "winner_source: remote\n"
        "loser_source: local\n"
        "context:\n"
        "  local_version: 2\n"
        "  remote_version: 2\n"
        "  local_updated_at: 2025-01-02T00:00:00.000Z\n"
        "  remote_updated_at: 2025-01-03T00:00:00.000Z\n"
    )


# ids.yml

U = [f"01jxt7d5r0000000000000{tail}" for tail in ("aaaa", "bbbb", "cccc", "dddd")]


def names(*rows: tuple[str, str]) -> bytes:
    return "".join(f"{short}: {of}\n" for short, of in rows).encode()


def test_short_ids_of_both_sides_are_united_in_string_order() -> None:
    out = merge.merge_names(b"", names(("b1", U[0]), ("zz", U[3])), names(("a10", U[1]), ("a9", U[2])))
    assert out == names(("a10", U[1]), ("a9", U[2]), ("b1", U[0]), ("zz", U[3]))


def test_a_contested_short_id_stays_with_the_smallest_ulid_and_the_other_gets_one_of_its_own() -> None:
    out = merge.merge_names(b"", names(("k1", U[1])), names(("k1", U[0])))
    assert out == names(("bbbb", U[1]), ("k1", U[0]))


def test_rows_of_the_base_that_both_sides_dropped_are_kept() -> None:
    assert names(("k1", U[0])) in merge.merge_names(names(("k1", U[0])), b"", names(("k2", U[1])))


def test_conflict_markers_and_quotes_in_ids_yml_do_not_lose_rows() -> None:
    side = b'<<<<<<< HEAD\n"123": ' + U[0].encode() + b"\n=======\nk2: " + U[1].encode() + b"\n>>>>>>> x\n"
    assert merge.merge_names(b"", side, b"\xff\n") == f'"123": {U[0]}\nk2: {U[1]}\n'.encode()


rows = st.lists(st.tuples(st.sampled_from(["k1", "k2", "123", "a.b", "aaaa"]), st.sampled_from(U)), max_size=5)


@given(rows, rows, rows)
@few
@example([], [("k1", U[0])], [("k1", U[1]), ("bbbb", U[2])])
def test_short_ids_meet_the_same_way_from_both_sides_and_every_ulid_keeps_one(b: Any, x: Any, y: Any) -> None:
    one: Callable[..., bytes] = merge.merge_names
    out = one(names(*b), names(*x), names(*y))
    assert out == one(names(*b), names(*y), names(*x)) == one(names(*b), out, out)
    assert {line.split(": ")[1] for line in out.decode().splitlines()} == {of for _, of in (*b, *x, *y)}
