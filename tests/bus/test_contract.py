"""The contract of the Agent Bus: every backend keeps it, and a cursor of one is good on every other one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from bus.contract import LIMIT_S, WORLDS, Apart, World, draft, numbers, only, read, taken, token
from happening import row, writer
from tbdx.bus import DURABILITY, Bus, Event, reading
from tbdx.core import event, views
from tbdx.errors import Invalid, Usage

PUBLISHED = 12  # events where one publishes while others read


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = WORLDS[request.param](request, monkeypatch)
    yield made
    made.end()


def events_of(name: str, *ms: int) -> list[Event]:
    """Events of one writer that follow each other, numbered by their milliseconds."""
    return [event.parse(raw) for raw in row(writer(name), *((n, "x.y", {"body": {"n": n}}) for n in ms))]


def publish(client: Bus, *events: Event) -> None:
    for found in events:
        client.publish(found)


# publish


def test_an_answer_tells_what_became_of_a_draft_and_the_event_is_there(world: World) -> None:
    client = world.client("anna")
    acks = [client.publish(draft("x.y", n)) for n in range(3)]
    assert [ack["seq"] for ack in acks] == [1, 2, 3] and len({ack["event_id"] for ack in acks}) == 3
    assert all(event.is_id(ack["event_id"]) and ack["duplicate"] is False for ack in acks)
    assert all(ack["durability"] == "local" for ack in acks)  # the journal has it, whatever the bus does
    shown = read(world.client("bert"))[:-1]
    assert [e["event_id"] for e in shown] == [ack["event_id"] for ack in acks] and numbers(shown) == [0, 1, 2]
    assert {e["actor"]["agent_id"] for e in shown} == {"agent:anna"}


def test_a_key_counts_once_also_when_its_publisher_has_come_back(world: World) -> None:
    first = world.client("anna").publish(draft("x.y", 1, idempotency_key="k"))
    again = world.client("anna").publish(draft("x.y", 1, idempotency_key="k"))
    other = world.client("anna").publish(draft("x.y", 2, idempotency_key="l"))
    assert again["duplicate"] and not first["duplicate"] and not other["duplicate"]
    assert (again["event_id"], again["seq"]) == (first["event_id"], first["seq"])
    assert numbers(read(world.client("bert"))) == [1, 2]


def test_an_event_that_is_made_already_is_handed_on_as_it_is_and_once(world: World) -> None:
    client, (made,) = world.client("anna"), events_of("zoe", 1)
    first, again = client.publish(made), client.publish(made)
    assert (first["event_id"], first["seq"]) == (made["event_id"], 1)
    assert not first["duplicate"] and again["duplicate"] and {first["durability"]} <= set(DURABILITY)
    (shown, bookmark) = read(world.client("bert"))
    assert event.unmarked(shown) == made
    client.publish(shown)  # as a reader of the stream would hand it on
    client.publish(made)
    assert read(world.client("bert"), token([bookmark]))[:-1] == []


@pytest.mark.parametrize("bad", [{}, {"type": "x"}, {"type": "x.y", "refs": []}, {"type": "bus.bookmark"}])
def test_what_is_no_event_is_refused_and_nobody_sees_it(world: World, bad: Event) -> None:
    client, made = world.client("anna"), events_of("zoe", 1)[0]
    for wrong in (bad, made | {"seq": 0}, made | {"actor": {}}, made | {"writer": "../x"}):
        with pytest.raises(Invalid):
            client.publish(wrong)
    assert read(world.client("bert"))[:-1] == []


# subscribe: what is there


def test_a_cursor_gives_what_is_past_it_and_nothing_twice(world: World) -> None:
    client = world.client("anna")
    publish(client, *(draft("x.y", n) for n in range(3)))
    first = read(world.client("bert"))
    publish(client, *(draft("x.y", n) for n in range(3, 5)))
    second = read(world.client("bert"), token(first))
    assert (numbers(first), numbers(second)) == ([0, 1, 2], [3, 4])
    third = read(world.client("bert"), token(second))
    assert len(third) == 1 and token(third) == token(second)
    assert numbers(read(world.client("bert"))) == [0, 1, 2, 3, 4]


def test_a_filter_chooses_what_is_shown_and_leaves_the_cursor_alone(world: World) -> None:
    anna, bert = world.client("anna"), world.client("bert")
    publish(anna, draft("deploy.done", 0), draft("deploy.failed", 1, refs={"work_id": "is-1", "thread_id": "th-1"}))
    publish(bert, draft("note.made", 2))
    cases: list[tuple[dict[str, tuple[str, ...]], list[int]]] = [
        ({}, [0, 1, 2]),
        ({"type": ("deploy.*",)}, [0, 1]),
        ({"type": ("*.failed", "note.**")}, [1, 2]),
        ({"agent": ("bert",)}, [2]),
        ({"agent": ("agent:anna",), "type": ("deploy.done",)}, [0]),
        ({"work": ("is-1",)}, [1]),
        ({"thread": ("th-1", "th-2")}, [1]),
        ({"session": ("s",)}, []),
        ({"project": ("nobody/s",)}, []),
        ({"type": ()}, [0, 1, 2]),
    ]
    shown = [read(world.client("cy"), **filters) for filters, _ in cases]
    assert [numbers(some) for some in shown] == [wanted for _, wanted in cases]
    assert len({token(some) for some in shown}) == 1
    for kind in ("typ", "works"):
        with pytest.raises(Usage, match="no filter"):
            list(world.client("cy").subscribe({kind: ("x",)}, None, timeout_s=0))


def test_what_was_written_earlier_and_comes_later_is_past_the_cursor(world: World) -> None:
    client = world.client("anna")
    old, new = events_of("old", 1, 2, 3, 4), events_of("new", 10, 20)
    publish(client, *new, old[0])
    first = read(world.client("bert"))
    publish(client, old[3], old[2])  # the last ones first, and one of them not at all
    second = read(world.client("bert"), token(first))
    publish(client, old[1], new[0])
    third = read(world.client("bert"), token(second))
    assert [numbers(some) for some in (first, second, third)] == [[1, 10, 20], [3, 4], [2]]
    assert read(world.client("bert"), token(third))[:-1] == []
    assert token(read(world.client("bert"))) == token(third)  # whatever way it came about


def test_a_count_ends_a_stream_where_its_bookmark_says(world: World) -> None:
    client = world.client("anna")
    publish(client, *events_of("b", 2, 4, 6), *events_of("a", 1, 3, 5))
    at, shown = None, []
    while len(shown) < 6:
        some = list(world.client("bert").subscribe({}, at, timeout_s=LIMIT_S, count=1))
        assert len(some) == 2
        shown += numbers(some)
        at = token(some)
    assert shown == [1, 2, 3, 4, 5, 6] and at == token(read(world.client("bert")))
    for count in (0, -1):
        with pytest.raises(Usage, match="count"):
            list(client.subscribe({}, None, timeout_s=0, count=count))


def test_what_is_no_cursor_is_refused(world: World) -> None:
    for bad in ("x", "c1.!"):
        with pytest.raises(Usage, match="not a cursor"):
            list(world.client("anna").subscribe({}, bad, timeout_s=0))
        with pytest.raises(Usage, match="not a cursor"):
            world.looker().snapshot(bad)


# subscribe: what comes


def test_who_waits_gets_what_comes_while_it_waits(world: World) -> None:
    client = world.client("bert")
    waiting = Apart(lambda: list(client.subscribe({"type": ("x.*",)}, None, timeout_s=LIMIT_S, count=3)))
    other = world.client("anna")
    publish(other, draft("x.y", 0), draft("z.z", 9), draft("x.y", 1))
    time.sleep(0.05)
    begun = time.monotonic()
    other.publish(draft("x.y", 2))
    assert numbers(waiting.result()) == [0, 1, 2] and time.monotonic() - begun < LIMIT_S / 2


def test_all_who_read_get_all_and_none_loses_any_by_going_and_coming_back(world: World) -> None:
    """Two publish at once. One reads on, one leaves at each bookmark, one is torn away and begins at its last one."""
    every = [(f"agent:{who}", n) for who in ("anna", "bert") for n in range(PUBLISHED)]
    done = threading.Event()

    def tell(who: str) -> None:
        client = world.client(who)
        publish(client, *(draft("x.y", n) for n in range(PUBLISHED)))

    def steady() -> list[Event]:
        return list(world.client("c").subscribe({}, None, timeout_s=LIMIT_S, count=len(every)))

    def leaving() -> list[Event]:
        out: list[Event] = []
        at = None
        while len(out) < len(every):
            some = list(world.client("d").subscribe({}, at, timeout_s=LIMIT_S, count=min(5, len(every) - len(out))))
            out, at = out + some[:-1], token(some)
        return out

    def torn() -> list[Event]:
        out: list[Event] = []
        at, quiet = None, False
        for n in itertools.count(1):
            quiet = done.is_set()
            some = taken(world.client("e").subscribe({}, at, timeout_s=0.02, count=4), 2 if n % 3 == 0 else 5)
            out += [e for e in some if e["type"] != "bus.bookmark"]
            if some[-1]["type"] == "bus.bookmark":
                at = token(some)
                if quiet and len(some) == 1:
                    break
        return out

    readers = [Apart(do) for do in (steady, leaving, torn)]
    for each in [Apart(partial(tell, who)) for who in ("anna", "bert")]:
        each.result()
    done.set()
    first, second, third = (
        [(e["actor"]["agent_id"], e["body"]["n"]) for e in reader.result() if e["type"] != "bus.bookmark"]
        for reader in readers
    )
    assert sorted(first) == sorted(second) == sorted(every)  # each, and once
    assert set(third) == set(every) and len(third) > len(every)


def test_a_quiet_stream_says_where_it_is_and_every_stream_ends_in_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "IDLE_S", 0.1)
    world.client("anna").publish(draft("x.y", 0))
    begun = time.monotonic()
    shown = list(world.client("bert").subscribe({}, None, timeout_s=0.5))
    assert 0.4 < time.monotonic() - begun < LIMIT_S
    assert [e["type"] for e in shown] == ["x.y", "bus.bookmark", "bus.bookmark"]  # once a pause, and at the end
    assert shown[1] == shown[2]


def test_closing_ends_a_stream_that_waits_with_its_bookmark(world: World) -> None:
    client = world.client("bert")
    waiting = Apart(lambda: list(client.subscribe({}, None, timeout_s=LIMIT_S)))
    world.client("anna").publish(draft("x.y", 0))
    time.sleep(0.1)
    client.close()
    shown = waiting.result()
    assert numbers(shown) == [0] and shown[-1]["type"] == "bus.bookmark"
    assert numbers(read(world.client("bert"), token(shown))) == []


# snapshot


def test_a_snapshot_has_what_is_past_a_cursor_and_a_stream_goes_on_from_it(world: World) -> None:
    client = world.client("anna")
    publish(client, draft("x.y", 0), draft("x.y", 1))
    first = world.looker().snapshot()
    assert numbers(first["events"]) == [0, 1] and first["complete"] is True
    client.publish(draft("x.y", 2))
    second = world.looker().snapshot(first["cursor"])
    assert numbers(second["events"]) == [2] and second["complete"] is True
    assert numbers(read(world.client("bert"), first["cursor"])) == [2]
    publish(client, events_of("gap", 1, 2)[1])
    assert world.looker().snapshot()["complete"] is False


def test_a_view_is_the_fold_of_the_events_and_its_cursor_goes_on_from_there(world: World) -> None:
    publish(world.client("anna"), draft("agent.status", 0, body={"state": "busy"}), draft("x.y", 1))
    publish(world.client("bert"), draft("x.y", 2))
    found = world.looker().snapshot(view="agents")
    facts = [event.Fact(e) for e in read(world.client("cy"))[:-1]]
    whole = views.View("agents", views.rows("agents", views.fold(views.new(views.VIEWS["agents"]), facts)))
    assert (found["view"], found["digest"], found["rows"]) == ("agents", whole.digest, whole.rows)
    world.client("anna").publish(draft("x.y", 3))
    assert numbers(read(world.client("cy"), found["cursor"])) == [3]
    for asked in ({"view": "weather"}, {"view": "agents", "since": found["cursor"]}):
        with pytest.raises(Usage):
            world.looker().snapshot(**asked)


# from one to another


@pytest.mark.parametrize("second", WORLDS)
def test_a_reader_changes_to_another_bus_in_mid_stream_with_its_cursor(
    world: World, second: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(world, WORLDS["git"]) and second == "git":
        return  # there is one clone, and it is tested beside its other
    other = WORLDS[second](request, monkeypatch)
    a, b = events_of("a", 1, 3, 5, 7), events_of("b", 2, 4, 6)
    publish(world.client("anna"), *a[:3], *b[:1], b[2])
    publish(other.client("anna"), *b, *a)
    first = read(world.client("cy"))
    there = read(other.client("cy"), token(first))
    assert (numbers(first), numbers(there)) == ([1, 2, 3, 5, 6], [4, 7])
    publish(world.client("anna"), *a, *b)
    back = read(world.client("cy"), token(there))
    assert numbers(back) == [] and only(token(back)) == only(token(there))
    other.end()
