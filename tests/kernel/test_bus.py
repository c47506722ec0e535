"""The bus of a clone: what a sync brings reaches who waits, and a cursor is good in every clone and on every bus."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bus.contract import LIMIT_S, Apart, clients_of, draft, numbers, read, token
from conftest import Clone
from happening import row, writer
from tbdx import bus
from tbdx.bus import Event
from tbdx.bus import git as git_bus
from tbdx.core import event
from tbdx.errors import Disk, Usage
from tbdx.kernel import Kernel, stream
from tbdx.kernel import bus as verb
from tbdx.store import objects

Clones = tuple[Clone, Clone]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_bus, "POLL_S", 0.02)


def settle(*clones: Clone) -> None:
    for clone in (*clones, *clones[:-1]):
        clone.json("sync")


def test_what_a_sync_brings_reaches_who_waits_and_the_cursor_is_good_in_the_other_clone(clones: Clones) -> None:
    a, b = clones
    settle(a, b)
    start = token(read(clients_of(b, "bert")))
    waiting = Apart(lambda: list(clients_of(b, "bert").subscribe({}, start, timeout_s=LIMIT_S, count=2)))
    for n in range(2):
        clients_of(a, "anna").publish(draft("x.y", n))
    settle(a, b)
    shown = waiting.result()
    assert numbers(shown) == [0, 1]
    clients_of(a, "anna").publish(draft("x.y", 2))
    assert numbers(read(clients_of(a, "cy"), token(shown))) == [2]
    made = [found for found in read(clients_of(b, "bert")) if found["type"] == "x.y"]
    acks = [clients_of(a, "dora").publish(found) for found in made]  # each was here before
    assert [ack["duplicate"] for ack in acks] == [True, True]


def test_events_that_came_by_a_bus_and_by_a_sync_are_shown_once(clones: Clones) -> None:
    a, b = clones
    settle(a, b)
    clients_of(a, "anna").publish(draft("x.y", 0))
    start = token(read(clients_of(b, "bert")))
    (found,) = (e for e in read(clients_of(a, "anna")) if e["type"] == "x.y")
    assert not clients_of(b, "bert").publish(found)["duplicate"]
    first = read(clients_of(b, "bert"), start)
    assert numbers(first) == [0] and first[0]["unverified"] is True
    settle(a, b)
    assert numbers(read(clients_of(b, "bert"), token(first))) == []
    assert stream.verify(b.kernel)[0] == []


def test_what_comes_while_a_stream_reads_is_shown_next(repo: Clone) -> None:
    client, other = clients_of(repo, "anna"), clients_of(repo, "bert")
    assert isinstance(client, git_bus.GitBus)
    host = client.host

    def read_and_then(token: str | None) -> bus.Page:
        page = host.read(token)
        if token is None:
            other.publish(draft("x.y", 0))
        return page

    client.host = host._replace(read=read_and_then)
    assert numbers(list(client.subscribe({}, None, timeout_s=LIMIT_S / 5, count=1))) == [0]


def test_a_stream_uses_no_git_while_nothing_happens_and_never_the_network(
    clones: Clones, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, _ = clones
    a.create("One")
    client = clients_of(a, "anna")
    asked: list[Any] = []

    def count(self: Any, *argv: str, **_: Any) -> Any:
        asked.append(argv)
        raise AssertionError(argv)

    on = client.subscribe({}, token(read(client)), timeout_s=LIMIT_S, count=2)
    client.publish(draft("x.y", 0))
    assert numbers([next(on)]) == [0]
    for name in ("run", "ask"):
        monkeypatch.setattr(objects.Objects, name, count)
    client.publish(draft("x.y", 1))
    assert numbers(list(on)) == [1] and asked == []


def test_past_a_compaction_a_stream_and_a_snapshot_end_with_the_checkpoint(repo: Clone) -> None:
    x = repo.create("one")
    old = json.loads(repo.run("bus", "sub", "--timeout", "0").out.splitlines()[-1])["body"]["cursor"]
    repo.run("update", x, "--title", "two")
    done = repo.json("ev", "compact")
    for argv in (["sub", "--timeout", "0"], ["snapshot"]):
        at = repo.run("bus", *argv, "--since", old)
        rows = [json.loads(r) for r in at.out.splitlines()]
        assert at.code == 5 and [r["type"] for r in rows] == ["journal.checkpointed", "bus.bookmark"], at
        assert rows[0]["body"]["checkpoint"] == done["checkpoint"]
        assert read(clients_of(repo, "anna"), token(rows))[0]["type"] == "journal.checkpointed"
    assert clients_of(repo, "anna").snapshot()["complete"] is False


def test_a_cursor_beyond_a_checkpoint_goes_to_another_bus_and_back(repo: Clone) -> None:
    repo.run("ev", "emit", "--type", "x.y", "--body", '{"n": 0}')
    repo.json("ev", "compact")
    git, memory = clients_of(repo, "anna"), bus_of(repo, "bus://memory/checkpoint")
    at = token(read(git))
    git.publish(draft("x.y", 1))
    for found in read(git)[:-1]:
        memory.publish(found)
    there = read(memory, at)
    assert numbers(there) == [1]
    memory.publish(draft("x.y", 2))
    further = read(memory, token(there))
    assert (numbers(further), numbers(read(git, token(there))), numbers(read(git, token(further)))) == ([2], [2], [])


def test_a_change_that_no_event_tells_of_is_shown_when_its_events_have_had_time_to_come(
    repo: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "SETTLE_S", 0.3)
    x = repo.create("one")
    repo.json("sync")
    client = clients_of(repo, "anna")
    start = token(read(client))
    waiting = Apart(lambda: list(client.subscribe({}, start, timeout_s=LIMIT_S, count=2)))
    text = repo.file(x).read_text()
    repo.file(x).write_text(text.replace("title: one", "title: two"))
    repo.json("sync")
    repo.run("ev", "emit", "--type", "x.y")
    shown = waiting.result()
    assert [e["type"] for e in shown[:-1]] == ["x.y", "work.updated"] and shown[1]["derived"] is True


# the journal and a live bus


def bus_of(clone: Clone, uri: str, said: list[str] | None = None) -> bus.Bus:
    kernel: Kernel = clone.kernel
    if said is not None:
        kernel.say = lambda _, text: said.append(text)
    return verb.open_bus(kernel, uri, stdin=-1, write=lambda _: False)


def test_a_draft_is_journaled_first_and_then_handed_to_the_live_bus(repo: Clone) -> None:
    live = bus_of(repo, "bus://memory/durable")
    ack = live.publish(draft("x.y", 1, idempotency_key="k"))
    assert ack["durability"] == "local" and ack["relayed"] is True
    mine, others = read(clients_of(repo, "anna"))[:-1], read(bus_of(repo, "memory:durable"))[:-1]
    assert mine == others and mine[0]["event_id"] == ack["event_id"]
    again = bus_of(repo, "memory:elsewhere").publish(draft("x.y", 1, idempotency_key="k"))
    assert again["duplicate"] and again["relayed"] and read(bus_of(repo, "memory:elsewhere"))[:-1] == mine


def test_a_live_bus_that_is_lost_costs_no_event(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    from tbdx.bus.memory import MemoryBus

    def lose(*_: Any) -> Any:
        raise Disk("the line is down")

    said: list[str] = []
    monkeypatch.setattr(MemoryBus, "publish", lose)
    ack = bus_of(repo, "memory:lost", said).publish(draft("x.y", 1))
    assert ack["durability"] == "local" and ack["relayed"] is False and "the line is down" in said[0]
    assert numbers(read(clients_of(repo, "anna"))) == [1]
    done = repo.run("bus", "pub", "--bus", "memory:lost", "--type", "x.y", "--body", '{"n": 2}')
    assert done.code == 6 and json.loads(done.out)["relayed"] is False
    with pytest.raises(Disk):
        bus_of(repo, "memory:lost").publish(event.parse(row(writer("z"), (1, "x.y", {}))[0]))


# finding one


@pytest.mark.parametrize("uri", ["", "x", "ws:", "bus://", "bus://nowhere/x", "ftp://h", "memory:", "git:x", "stdio:x"])
def test_an_unknown_bus_is_a_usage_error_that_names_what_there_is(repo: Clone, uri: str) -> None:
    with pytest.raises(Usage) as e:
        bus_of(repo, uri)
    assert e.value.hint
    if uri in ("x", "bus://nowhere/x"):
        assert e.value.hint == "there are git, memory, stdio"
        assert repo.run("bus", "sub", "--bus", uri).code == 2


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("bus://git", ("git", "")),
        ("git:", ("git", "")),
        ("bus://memory/a/b", ("memory", "a/b")),
        ("memory:a", ("memory", "a")),
        ("ws://host:1/x", ("ws", "//host:1/x")),
    ],
)
def test_a_uri_names_a_backend_and_what_is_for_it(uri: str, parts: tuple[str, str]) -> None:
    assert bus.parse_uri(uri) == parts


def test_a_third_party_brings_a_bus_by_an_entry_point(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    class Loud:
        def __init__(self, rest: str, host: bus.Host) -> None:
            self.rest = rest

        def publish(self, found: Event) -> bus.Ack:
            heard.append((self.rest, found["type"]))
            return {}

        subscribe = snapshot = close = None

    class Point:
        name = "loud"

        @staticmethod
        def load() -> Any:
            return Loud

    heard: list[tuple[str, str]] = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [Point] if group == "tbdx.bus" else [])
    bus_of(repo, "loud://there").publish(draft("x.y"))
    assert heard == [("//there", "x.y")]
