"""The mailbox as folds: unread, acknowledged, threads; the same whatever the order in which events come."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from happening import event_id, line, made, writer
from tbdx.core import bulk, mail, views
from tbdx.core.event import Fact, parse

few = settings(max_examples=200, deadline=None, database=None, derandomize=True)
A, B, C = "ms-a", "ms-b", "ms-c"


def of(n: int, agent: str, type_: str, refs: dict[str, str] | None = None, **body: Any) -> Fact:
    return Fact(made(writer(agent), n + 1, n, type_, refs=refs or {}, body=body))


def sent(n: int, message: str = A, sender: str = "ann", to: Any = ("agent:bob",), **more: Any) -> Fact:
    refs = {"message_id": message} | {k: more.pop(k) for k in ("thread_id", "reply_to", "work_id") if k in more}
    return of(n, sender, "msg.sent", refs, to=list(to), blob="b0", **more)


def read(n: int, who: str, *ids: str) -> Fact:
    return of(n, who, "msg.read", ids=list(ids))


def acked(n: int, who: str, message: str = A) -> Fact:
    return of(n, who, "msg.acked", message_id=message)


def folded(*facts: Fact) -> dict[str, Any]:
    return views.fold(views.new(), views.in_order(list(facts)))


def unread(state: dict[str, Any], who: str) -> list[str]:
    return sorted(mail.unread_by(state["mail"], f"agent:{who}"))


def why(state: dict[str, Any]) -> list[str]:
    return [row["reason"] for row in views.rows("rejects", state).values()]


def test_what_is_sent_is_unread_until_it_is_read_and_reading_is_not_acknowledging() -> None:
    state = folded(sent(1, ack_required=True))
    row = mail.row_of(state["mail"], A)
    assert unread(state, "bob") == [A] and unread(state, "ann") == [] and row["from"] == "agent:ann"
    assert not mail.is_acked(state["mail"], row, A, "agent:bob")
    state = folded(sent(1, ack_required=True), read(2, "bob", A))
    assert unread(state, "bob") == [] and not mail.is_acked(state["mail"], row, A, "agent:bob")
    state = folded(sent(1, ack_required=True), acked(2, "bob"))
    assert unread(state, "bob") == [] and mail.is_acked(state["mail"], row, A, "agent:bob")


def test_the_first_read_and_the_first_acknowledgement_count() -> None:
    state = folded(sent(1), read(2, "bob", A), read(3, "bob", A), acked(4, "bob"), acked(5, "bob"))
    row = views.rows("inbox", state)[A]
    assert row["read"] == {"agent:bob": event_id(2)} and row["acked"] == {"agent:bob": event_id(4)}


def test_an_acknowledgement_of_someone_elses_message_is_rejected_and_its_author_finds_it() -> None:
    state = folded(sent(1), acked(2, "eve"))
    assert why(state) == ["it is to agent:bob, not to agent:eve"]
    view = views.View("inbox", views.rows("inbox", state))
    assert view.of("agent:eve") == [event_id(2)] and view.of("agent:bob") == [A]
    assert A not in folded(sent(1), acked(2, "eve"))["mail"]["waiting"].get("agent:eve", {})


def test_a_mark_may_come_before_its_message() -> None:
    before = folded(read(1, "bob", A), acked(2, "eve"), sent(3, ack_required=True))
    after = folded(sent(1, ack_required=True), read(2, "bob", A), acked(3, "eve"))
    assert unread(before, "bob") == unread(after, "bob") == [] and len(why(before)) == len(why(after)) == 1


def test_a_message_that_is_claimed_twice_is_the_first_ones() -> None:
    state = folded(sent(1), sent(2, sender="eve", to=["agent:eve"]))
    assert mail.row_of(state["mail"], A)["from"] == "agent:ann" and why(state) == ["sent before, by agent:ann"]
    assert unread(state, "eve") == []


def test_a_message_to_all_is_everybodys_but_its_senders() -> None:
    state = folded(sent(1, to=["all"], ack_required=True), read(2, "bob", A), acked(3, "cat"))
    row = mail.row_of(state["mail"], A)
    assert [unread(state, who) for who in ("ann", "bob", "cat", "dan")] == [[], [], [], [A]]
    assert [mail.is_acked(state["mail"], row, A, f"agent:{who}") for who in ("bob", "cat")] == [False, True]
    assert why(state) == []


def test_a_person_reads_by_the_hand_of_an_agent_and_no_agent_for_another() -> None:
    state = folded(sent(1, to=["human:hal", "agent:bob"]), of(2, "x", "msg.read", ids=[A], reader="human:hal"))
    assert mail.unread_by(state["mail"], "human:hal") == {} and unread(state, "bob") == [A]
    state = folded(sent(1), of(2, "x", "msg.read", ids=[A], reader="agent:bob"))
    assert unread(state, "bob") == [A]


def test_bodies_that_are_none_are_rejected_with_their_reason() -> None:
    state = folded(
        of(1, "ann", "msg.sent", {}, to=["agent:b"]),
        of(2, "ann", "msg.sent", {"message_id": A}, to="agent:b"),
        of(3, "ann", "msg.read"),
        of(4, "ann", "msg.acked", message_id=7),
        of(5, "ann", "msg.bounced", {"message_id": A}),
        of(6, "ann", "msg.other", {"message_id": A}),
    )
    assert why(state) == [
        "refs.message_id: missing",
        "body.to: missing",
        "body.ids: missing",
        "body.message_id: missing",
        "body.reason: missing",
    ]


def test_a_reply_is_in_its_parents_thread_also_when_that_comes_later() -> None:
    first, reply, again = sent(1, A, thread_id="th-x"), sent(2, B, reply_to=A), sent(3, C, reply_to=B)
    assert list(views.rows("threads", folded(first, reply, again))) == ["th-x"]
    alone = views.rows("threads", folded(reply, again))
    assert list(alone) == ["th-a"] and alone["th-a"]["messages"] == [B, C]
    ring = views.rows("threads", folded(sent(1, A, reply_to=B), sent(2, B, reply_to=A)))
    assert sorted(sum((t["messages"] for t in ring.values()), [])) == [A, B]


def test_a_thread_tells_who_owes_an_acknowledgement() -> None:
    facts = sent(1, to=["agent:bob", "agent:cat"], ack_required=True, thread_id="th-x"), acked(2, "bob")
    row = views.rows("threads", folded(*facts))["th-x"]
    assert row["waiting"] == {A: ["agent:cat"]}
    assert row["participants"] == ["agent:ann", "agent:bob", "agent:cat"]


def test_one_key_in_two_clones_is_one_message() -> None:
    one, two = sent(1, A), sent(2, B)
    one.idempotency_key = two.idempotency_key = "k"
    state = folded(one, two)
    assert unread(state, "bob") == [A] and list(views.rows("inbox", state)) == [A, event_id(2)]


def test_bounces_and_comments_are_kept_with_their_message() -> None:
    state = folded(
        sent(1, to=["work:is-1"], recipients=["agent:bob"], work_id="is-1"),
        sent(2, B, to=["agent:bob"], work_id="is-1"),
        of(3, "ann", "msg.bounced", {"message_id": A}, reason="retired", to="agent:bob"),
    )
    assert views.rows("inbox", state)[A]["bounced"] == {"agent:bob": "retired"}
    assert list(mail.comments(state["mail"], "is-1")) == [A]


lives = st.lists(
    st.tuples(
        st.sampled_from(["sent", "read", "acked"]), st.sampled_from("ab"), st.sampled_from([A, B]), st.booleans()
    ),
    max_size=9,
)


@few
@given(lives, st.randoms(use_true_random=False), st.integers(0, 9))
def test_the_state_does_not_depend_on_order_number_or_pieces(life: Any, chance: Any, cut: int) -> None:
    facts = []
    for n, (what, who, message, flag) in enumerate(life):
        if what == "sent":
            facts.append(sent(n, message, who, ["all"] if flag else ["agent:b", "agent:a"], ack_required=True))
        else:
            facts.append(read(n, who, message) if what == "read" else acked(n, who, message))
    whole = folded(*facts)
    mixed = facts + facts[:3]
    chance.shuffle(mixed)
    assert folded(*mixed) == whole
    assert views.fold(views.fold(views.new(), facts[:cut]), facts[cut:]) == whole
    for who in ("agent:a", "agent:b"):  # an index says what the marks say
        for message in whole["mail"]["messages"]:
            row = mail.row_of(whole["mail"], message)
            mark = whole["marks"].get(message, {}).get(who)
            if mail.is_to(row, who):
                assert (message in mail.unread_by(whole["mail"], who)) == (mark is None)
                assert mail.is_acked(whole["mail"], row, message, who) == bool(mark and mark[1])


def test_both_decoders_see_the_same_message() -> None:
    raw = line(made(writer("a"), 1, 1, "msg.sent", refs={"message_id": A, "reply_to": B}, body={"to": ["agent:b"]}))
    (fast,), slow = bulk.facts(raw + b"\n"), Fact(parse(raw))
    states = [views.fold(views.new(), [f]) for f in (fast, slow)]  # type: ignore[list-item]
    assert states[0] == states[1]
