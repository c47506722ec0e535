"""A reader that goes and comes back, whatever comes in whatever order: none is lost, none comes twice without need."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.contract import MemoryWorld, token
from happening import crc, event_id, line, made, writer
from tbdx.core import chain, event

few = settings(max_examples=60, deadline=None, database=None, derandomize=True)


@st.composite
def histories(draw: Any) -> list[dict[str, Any]]:
    """Events of two writers, each with copies that went on apart, some of them not here; in any order, some twice."""
    out = []
    for k, of in enumerate((writer("a"), writer("b", 2))):
        ends: list[tuple[int, str]] = [(0, chain.ROOT)]
        for n in range(draw(st.integers(1, 8))):
            seq, prev = draw(st.sampled_from(ends[-2:]))
            found = made(of, seq + 1, 0, prev=prev, body={"n": n}) | {
                "event_id": event_id(draw(st.integers(0, 40)), 100 * k + n)  # of its own, as ids are
            }
            ends.append((seq + 1, crc(line(found))))
            out.append(found)
    here = [found for found in out if draw(st.integers(0, 6))]
    return draw(st.permutations(here + [found for found in here if not draw(st.integers(0, 4))]))


def reconnecting(arriving: list[dict[str, Any]], chance: random.Random) -> None:
    world = MemoryWorld()
    client = world.client("anna")
    at: str | None = None
    kept: set[str] = set()  # what the bookmarks are past
    left = list(arriving)
    every = {e["event_id"] for e in arriving}
    for _ in range(20 * len(arriving) + 20):
        for _ in range(chance.randint(0, 3)):
            if left:
                client.publish(left.pop())
        stream = world.client("bert").subscribe({}, at, timeout_s=0, count=chance.choice([None, 1, 2, 3]))
        torn_after = chance.choice([None, None, 0, 1, 2])
        shown: set[str] = set()
        for n, found in enumerate(stream):
            if n == torn_after:
                break
            if found["type"] == "bus.bookmark":
                at, kept = token([found]), kept | shown
            else:
                assert found["event_id"] not in kept | shown
                shown.add(found["event_id"])
        if not left and kept == every:
            break
    assert kept == every
    rest = list(world.client("bert").subscribe({}, at, timeout_s=0))
    assert [e["type"] for e in rest] == ["bus.bookmark"]


@few
@given(histories(), st.randoms(use_true_random=False))
def test_a_reader_may_go_at_any_point_and_come_back(arriving: list[dict[str, Any]], chance: random.Random) -> None:
    reconnecting(arriving, chance)


@few
@given(histories())
def test_what_came_one_by_one_makes_the_journals_that_it_makes_at_once(arriving: list[dict[str, Any]]) -> None:
    from tbdx.bus.held import Held

    held = Held()
    for found in arriving:
        held.add(found)
    at_once: dict[str, list[chain.Entry]] = {}
    for raw in dict.fromkeys(map(line, arriving)):
        entry = chain.Entry(raw, event.parse(raw), "", 0, True)
        at_once.setdefault(entry.name, []).append(entry)
    for of, entries in at_once.items():
        whole = chain.assemble(of, entries)
        one_by_one = held.journals[of]
        assert {n: [e.raw for e in some] for n, some in one_by_one.of.items() if some} == {
            n: [e.raw for e in some] for n, some in whole.of.items() if some
        }
        assert all(e.name == name for name, some in one_by_one.of.items() for e in some)
