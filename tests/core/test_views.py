"""Views: one state whatever the order, number and cuts of the events, and each transition with its reasons."""

from __future__ import annotations

import copy
import json
import marshal
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happening import ISSUE, T0, fact, line, made, writer
from tbdx.core import views
from tbdx.core.event import Fact

few = settings(max_examples=150, deadline=None, database=None, derandomize=True)
OTHER = ISSUE[:-1] + "b"
AGENTS = ("a", "b", "c")


def of(ms: int, agent: str, type_: str, **body: Any) -> Fact:
    """An event of an agent about the issue; `issue`, `n` and `key` are not of the body."""
    issue, key = body.pop("issue", ISSUE), body.pop("key", None)
    more = {"idempotency_key": key} if key else {}
    about = {"work": "work_id", "artifact": "artifact_id"}.get(type_.partition(".")[0])
    refs = {about: issue} if about and issue else {}
    return fact(line(made(writer(agent), ms + 1, ms, type_, refs=refs, body=body, **more)))


BODIES: dict[str, list[dict[str, Any]]] = {
    "work.created": [{"title": "t"}, {}],
    "work.updated": [{"fields": {}}, {}],
    "work.claimed": [{}],
    "work.released": [{"reason": "r"}, {}],
    "work.handed_off": [{"to": "agent:b", "summary": "s"}, {"to": "agent:b"}, {"to": ["x"], "summary": "s"}],
    "work.closed": [{"reason": "done"}, {}],
    "work.reopened": [{}],
    "work.linked": [{"url": "http://u"}, {"url": "http://v"}, {}],
    "work.conflicted": [{"field": "f", "attic": "x"}, {"field": "f"}],
    "agent.registered": [{"name": "A"}],
    "agent.status": [{"state": "busy"}],
    "agent.session_started": [{}],
    "agent.session_ended": [{}],
    "artifact.created": [{"digest": d, "media_type": "a/b", "size": 1} for d in ("x", "y", 5)] + [{"digest": "x"}],
    "artifact.superseded": [{"by": "x"}, {"by": "y"}, {"by": 5}, {}],
    "new.type": [{"title": "x"}],
}


@st.composite
def happenings(draw: Any, most: int = 14) -> list[Fact]:
    out = []
    for n in range(draw(st.integers(0, most))):
        type_ = draw(st.sampled_from([*BODIES]))
        body = dict(draw(st.sampled_from(BODIES[type_])))
        for name in ("was", "blob"):
            if draw(st.booleans()):
                body[name] = draw(st.sampled_from(["b1", "b2", "b3"]))
        key = draw(st.sampled_from([None, None, "k"]))
        issue = draw(st.sampled_from([ISSUE, ISSUE, OTHER, None]))
        out.append(of(n, draw(st.sampled_from(AGENTS)), type_, issue=issue, key=key, **body))
    return out


def folded(facts: list[Fact]) -> views.State:
    return views.fold(views.new(), views.in_order(facts))


def all_rows(state: views.State) -> dict[str, Any]:
    return {view: views.rows(view, state) for view in views.VIEWS}


@few
@given(happenings(), st.randoms(use_true_random=False))
def test_any_order_and_duplication_of_events_folds_to_one_state(facts: list[Fact], chance: random.Random) -> None:
    other = facts + chance.sample(facts, len(facts) // 2)
    chance.shuffle(other)
    assert folded(other) == folded(facts)


def through(kind: str, state: views.State) -> Any:
    return {"marshal": lambda s: marshal.loads(marshal.dumps(s)), "json": lambda s: json.loads(json.dumps(s))}[kind](
        state
    )


@few
@given(happenings(), st.sampled_from(["marshal", "json"]))
def test_folding_on_from_a_kept_state_is_folding_at_once_at_every_cut(facts: list[Fact], kind: str) -> None:
    whole = folded(facts)
    for cut in range(len(facts) + 1):
        half = views.fold(views.new(), facts[:cut])
        kept = through(kind, half)
        assert kept == half
        assert views.fold(kept, facts[cut:]) == whole


@few
@given(happenings())
def test_a_part_alone_folds_as_among_the_others(facts: list[Fact]) -> None:
    whole = folded(facts)
    for part in views.PARTS:
        assert views.fold(views.new({"keys", part}), facts)[part] == whole[part]
    for view, parts in views.VIEWS.items():
        assert views.rows(view, views.fold(views.new(parts), facts)) == views.rows(view, whole)


@few
@given(happenings())
def test_rows_are_of_plain_values_in_order_and_looking_changes_nothing(facts: list[Fact]) -> None:
    state = folded(facts)
    before = copy.deepcopy(state)
    for rows in all_rows(state).values():
        assert [*rows] == sorted(rows) and json.loads(json.dumps(rows)) == rows
        assert views.digest(rows) == views.digest(json.loads(json.dumps(rows)))
    assert state == before


def test_the_same_event_twice_is_one_and_of_one_id_by_two_writers_the_first_in_order_counts() -> None:
    one = fact(line(made(writer("a"), 1, 5)))
    same, other = fact(line(made(writer("a"), 1, 5))), fact(line(made(writer("b"), 1, 5)))
    assert [f.writer for f in views.in_order([other, same, one])] == [writer("a")]
    assert views.in_order([one], after=one.event_id) == []


# work: every transition

CREATED = ("a", "work.created", {"title": "t"})
CLAIMED = ("a", "work.claimed", {})
CLOSED = ("a", "work.closed", {"reason": "done"})
TRANSITIONS: list[tuple[str, list[Any], Any, str | None]] = [
    ("created", [], CREATED, None),
    ("created without a title", [], ("a", "work.created", {}), "body.title: missing"),
    ("created twice", [CREATED], ("b", "work.created", {"title": "t"}), "created before, by agent:a"),
    ("updated", [], ("a", "work.updated", {"fields": {}}), None),
    ("updated without fields", [], ("a", "work.updated", {}), "body.fields: missing"),
    ("claimed", [CREATED], CLAIMED, None),
    ("claimed before it is known", [], CLAIMED, None),
    ("claimed again by its holder", [CLAIMED], CLAIMED, None),
    ("claimed while another holds it", [CLAIMED], ("b", "work.claimed", {}), "held by agent:a"),
    ("claimed when closed", [CLOSED], ("b", "work.claimed", {}), "closed, by agent:a"),
    ("released", [CLAIMED], ("a", "work.released", {"reason": "r"}), None),
    ("released without a reason", [CLAIMED], ("a", "work.released", {}), "body.reason: missing"),
    ("released by another", [CLAIMED], ("b", "work.released", {"reason": "r"}), "held by agent:a"),
    ("released by nobody", [CREATED], ("a", "work.released", {"reason": "r"}), "not claimed"),
    ("handed off", [CLAIMED], ("a", "work.handed_off", {"to": "agent:b", "summary": "s"}), None),
    ("handed off unheld", [CREATED], ("a", "work.handed_off", {"to": "agent:b", "summary": "s"}), None),
    (
        "handed off by another",
        [CLAIMED],
        ("b", "work.handed_off", {"to": "agent:c", "summary": "s"}),
        "held by agent:a",
    ),
    ("handed off to nobody", [CLAIMED], ("a", "work.handed_off", {"summary": "s"}), "body.to: missing"),
    ("handed off to a list", [CLAIMED], ("a", "work.handed_off", {"to": [], "summary": "s"}), "body.to: missing"),
    ("handed off without a word", [CLAIMED], ("a", "work.handed_off", {"to": "agent:b"}), "body.summary: missing"),
    (
        "handed off when closed",
        [CLOSED],
        ("a", "work.handed_off", {"to": "agent:b", "summary": "s"}),
        "closed, by agent:a",
    ),
    ("closed", [CREATED], CLOSED, None),
    ("closed by one who does not hold it", [CLAIMED], ("b", "work.closed", {}), None),
    ("closed twice", [CLOSED], ("b", "work.closed", {}), "closed before, by agent:a"),
    ("reopened", [CLOSED], ("b", "work.reopened", {}), None),
    ("reopened when open", [CREATED], ("a", "work.reopened", {}), "not closed"),
    ("linked", [], ("a", "work.linked", {"url": "http://u"}), None),
    ("linked to nothing", [], ("a", "work.linked", {}), "body.url: missing"),
    ("conflicted", [], ("a", "work.conflicted", {"field": "f", "attic": "x"}), None),
    ("conflicted in nothing", [], ("a", "work.conflicted", {"attic": "x"}), "body.field: missing"),
    ("conflicted without what lost", [], ("a", "work.conflicted", {"field": "f"}), "body.attic: missing"),
]


def played(events: list[Any]) -> list[Fact]:
    return [of(n, agent, type_, **body) for n, (agent, type_, body) in enumerate(events)]


@pytest.mark.parametrize(("name", "before", "then", "why"), TRANSITIONS, ids=[t[0] for t in TRANSITIONS])
def test_a_transition_holds_or_is_rejected_with_its_reason(name: str, before: Any, then: Any, why: str | None) -> None:
    facts = played([*before, then])
    earlier, state = folded(facts[:-1]), folded(facts)
    rejects = views.rows("rejects", state)
    if why is None:
        assert rejects == {}
        return
    agent, type_, _ = then
    row = {"type": type_, "agent": f"agent:{agent}", "work_id": ISSUE, "reason": why}
    assert rejects == {facts[-1].event_id: row}
    if before:
        assert views.rows("work", state) == views.rows("work", earlier)


def test_every_transition_is_played_above() -> None:
    assert {then[1] for _, _, then, why in TRANSITIONS if why is None} == {t for t in BODIES if t.startswith("work.")}


def test_an_event_about_no_issue_is_rejected() -> None:
    state = folded([of(0, "a", "work.claimed", issue=None)])
    assert [r["reason"] for r in views.rows("rejects", state).values()] == ["refs.work_id: missing"]
    assert views.rows("work", state) == {}


def test_the_life_of_an_issue_is_told_in_its_row() -> None:
    events = [CREATED, CLAIMED, ("a", "work.handed_off", {"to": "agent:b", "summary": "half done"})]
    facts = played([*events, ("b", "work.linked", {"url": "http://u"}), ("b", "work.closed", {"reason": "done"})])
    assert views.rows("work", folded(facts))[ISSUE] == {
        "title": None,
        "status": "closed",
        "file": False,
        "created_by": "agent:a",
        "holder": "agent:b",
        "closed_by": "agent:b",
        "reason": "done",
        "handed_off": {"from": "agent:a", "to": "agent:b", "summary": "half done"},
        "links": ["http://u"],
        "by": "agent:b",
        "last": facts[-1].event_id,
        "events": 5,
    }


def test_the_file_says_what_an_issue_is_and_the_events_who_did_it() -> None:
    file = {"title": "T", "status": "in_progress", "assignee": "x", "delegate": None, "notes": "n"}
    rows = views.rows("work", folded(played([CREATED, CLOSED])), {ISSUE: file, OTHER: file})
    assert [rows[ISSUE][n] for n in ("title", "status", "file", "closed_by")] == ["T", "in_progress", True, "agent:a"]
    assert rows[OTHER] == {"title": "T", "status": "in_progress", "assignee": "x", "delegate": None, "file": True}


def test_of_two_claims_that_did_not_know_of_each_other_the_one_with_the_earlier_id_wins() -> None:
    created = of(0, "a", "work.created", title="t", blob="b0")
    claims = [of(n, agent, "work.claimed", was="b0", blob=f"by-{agent}") for n, agent in ((2, "b"), (1, "c"))]
    for order in (claims, claims[::-1]):
        state = folded([created, *order])
        assert views.rows("work", state)[ISSUE]["holder"] == "agent:c"
        assert [r["reason"] for r in views.rows("rejects", state).values()] == ["held by agent:c"]


def test_who_saw_a_version_that_no_event_told_of_is_believed() -> None:
    before = [of(0, "a", "work.created", title="t", blob="b0"), of(1, "a", "work.claimed", was="b0", blob="b1")]
    by_hand = of(2, "b", "work.claimed", was="made by hand", blob="b2")
    state = folded([*before, by_hand])
    assert views.rows("work", state)[ISSUE]["holder"] == "agent:b" and not views.rows("rejects", state)
    late = of(3, "c", "work.claimed", was="b1", blob="b3")  # that one knew of what events told
    assert [r["reason"] for r in views.rows("rejects", folded([*before, by_hand, late])).values()] == [
        "held by agent:b"
    ]


def test_a_real_tbd_that_reopens_an_issue_between_two_closes_makes_no_reject() -> None:
    facts = [of(0, "a", "work.created", title="t", blob="b0"), of(1, "a", "work.closed", was="b0", blob="b1")]
    again = of(2, "b", "work.closed", was="reopened by tbd", blob="b2", reason="really")
    row = views.rows("work", folded([*facts, again]))[ISSUE]
    assert (row["closed_by"], row["reason"]) == ("agent:b", "really")
    assert not views.rows("rejects", folded([*facts, again]))


def test_only_so_many_versions_are_remembered_and_the_older_ones_are_forgotten() -> None:
    facts = [of(n, "a", "work.updated", fields={}, blob=f"b{n}") for n in range(40)]
    assert folded(facts)["work"]["items"][ISSUE]["blobs"] == dict.fromkeys(f"b{n}" for n in range(40 - views.BLOBS, 40))


# the other views


def test_status_counts_events_types_and_writers() -> None:
    facts = played([CREATED, CLAIMED, ("b", "work.claimed", {}), ("b", "new.type", {})])
    row = views.rows("status", folded(facts), {ISSUE: {"status": "open"}, OTHER: {"status": "open"}})
    assert row["events"] == 4 and row["issues"] == {"open": 2} and row["late"] == row["retired"] == []
    assert row["types"] == {"new.type": 1, "work.claimed": 2, "work.created": 1}
    assert row["writers"][writer("b")] == {"agent": "agent:b", "seq": 4, "last": facts[3].event_id}


def test_agents_tell_of_themselves() -> None:
    rows = [
        ("agent.registered", None),
        ("agent.session_started", "s1"),
        ("agent.session_started", "s2"),
        ("agent.session_ended", "s1"),
        ("agent.status", "s2"),
        ("agent.session_started", None),  # nobody can tell which
    ]
    facts = []
    for n, (type_, session) in enumerate(rows):
        facts.append(of(n, "a", type_, name="A", state="busy"))
        facts[-1].actor.session_id = session
    assert views.rows("agents", folded(facts)) == {
        "agent:a": {
            "name": "A",
            "state": "busy",
            "sessions": ["s2"],
            "events": 6,
            "first": facts[0].event_id,
            "last": facts[5].event_id,
            "writers": [writer("a")],
        }
    }


def test_of_one_idempotency_key_the_first_within_30_days_counts() -> None:
    facts = [of(n, "a", "work.linked", url="u", key="k") for n in (0, 1, views.KEY_MS, views.KEY_MS + 1)]
    name = views.key_name("agent:a", "work.linked", "k")
    assert [folded(facts[:n])["keys"][name][0] for n in (1, 2, 3, 4)] == [facts[n].event_id for n in (0, 0, 0, 3)]
    both = folded([facts[0], of(5, "b", "work.linked", url="u", key="k"), of(6, "a", "work.closed", key="k")])
    assert len(both["keys"]) == 3  # of each agent, and for each type
    assert folded([of(0, "a", "work.closed")])["keys"] == {} and T0


def test_what_no_fold_takes_is_listed_as_rejected() -> None:
    state = views.refuse(views.new(), [of(0, "a", "work.claimed")])
    assert [r["reason"] for r in views.rows("rejects", state).values()] == [
        "its event id is not above its predecessor's"
    ]
    assert views.refuse(views.new(["log"]), [of(0, "a", "work.claimed")]) == views.new(["log"])


def test_of_two_events_that_made_one_artifact_the_first_counts_and_the_last_tells_what_stands_for_it() -> None:
    body = {"digest": "sha256:1", "media_type": "a/b", "size": 1, "blob": "b1"}
    facts = [of(1, "a", "artifact.created", **body), of(2, "b", "artifact.created", **body | {"digest": "sha256:2"})]
    facts += [of(n, "a", "artifact.superseded", by=f"ar-{n}") for n in (3, 4)]
    facts += [of(5, "a", "artifact.created", issue=None, **body), of(6, "a", "artifact.created", digest="x")]
    facts += [of(7, "a", "artifact.superseded"), of(8, "a", "artifact.other")]
    state = folded(facts)["artifacts"]
    assert state["made"] == {ISSUE: [facts[0].event_id, "agent:a", writer("a"), "sha256:1", "a/b", 1, "b1"]}
    assert state["by"] == {ISSUE: "ar-4"}
    reasons = [row["reason"] for row in views.rows("rejects", folded(facts)).values()]
    assert reasons == ["created before, by agent:a", "refs.artifact_id: missing", "body.media_type: missing"] + [
        "body.by: missing"
    ]
