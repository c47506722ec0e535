"""What a backend brings to be held to the contract of `test_contract.py`: a world, and a row in WORLDS.

A world makes clients of one bus, as many as are asked for, each of somebody: `client` again, with the same name, is the
same one come back. Nothing here waits longer than LIMIT_S.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from conftest import Clone
from happening import crc, line, made, writer
from tbdx import bus
from tbdx.bus import Ack, Bus, Event, Host
from tbdx.bus import git as git_bus
from tbdx.bus.reading import IDLE_S
from tbdx.core import chain, event
from tbdx.core.cursor import Cursor
from tbdx.kernel import Kernel
from tbdx.kernel.bus import open_bus

LIMIT_S = 10.0
assert IDLE_S > 2 * LIMIT_S  # no bookmark of a pause comes between, where a test does not ask for one


class World(Protocol):
    def client(self, who: str) -> Bus:
        """A client of the bus, which acts for an agent."""

    def looker(self) -> Bus:
        """One that can tell in a snapshot whether that is all."""

    def end(self) -> None:
        """Give up what the world has."""


class Pen:
    """The journal of an agent, in memory: what a backend without one is given for drafts."""

    ticks = itertools.count(1)

    def __init__(self, who: str) -> None:
        self.writer, self.lines, self.keys = writer(who, next(self.ticks)), list[bytes](), dict[str, Ack]()

    def publish(self, draft: Event) -> Ack:
        event.check_draft(draft.get("type"), draft.get("refs", {}), draft.get("body", {}))
        key = draft.get("idempotency_key")
        if key in self.keys:
            return self.keys[key] | {"duplicate": True}
        seq, prev = len(self.lines) + 1, crc(self.lines[-1]) if self.lines else chain.ROOT
        found = made(self.writer, seq, next(self.ticks), prev=prev) | {"refs": {}, "body": {}} | draft
        self.lines.append(line(found))
        ack = {"event_id": found["event_id"], "seq": seq, "duplicate": False, "durability": "local"}
        if key:
            self.keys[key] = ack
        return ack

    def made(self, ack: Ack) -> Event:
        return event.parse(self.lines[ack["seq"] - 1])


def host(who: str, *, stdin: int = -1, write: Callable[[Event], bool] | None = None, pen: Pen | None = None) -> Host:
    """What a backend without a clone is given."""

    def none(*_: Any) -> Any:
        raise AssertionError("there is no clone here")

    pen = pen or Pen(who)
    return Host(
        publish=pen.publish,
        made=pen.made,
        read=none,
        state=none,
        view=none,
        stdin=stdin,
        write=write or none,
        say=lambda _: None,
    )


class MemoryWorld:
    numbers = itertools.count()

    def __init__(self, *_: Any) -> None:
        self.uri, self.pens = f"bus://memory/{next(self.numbers)}", dict[str, Pen]()

    def client(self, who: str) -> Bus:
        return bus.open_bus(self.uri, host(who, pen=self.pens.setdefault(who, Pen(who))))

    def looker(self) -> Bus:
        return self.client("looker")

    def end(self) -> None:
        pass


class StdioWorld:
    """A log of all that was written, played from its start to whoever comes, and on."""

    def __init__(self, *_: Any) -> None:
        self.log, self.pipes, self.lock = list[bytes](), list[tuple[int, int]](), threading.Lock()
        self.pens: dict[str, Pen] = {}

    def write(self, found: Event) -> bool:
        with self.lock:
            self.log.append(event.render(found))
            for _, end in self.pipes:
                os.write(end, self.log[-1])
        return True

    def client(self, who: str) -> Bus:
        begin, end = os.pipe()
        with self.lock:
            os.write(end, b"".join(self.log))
            self.pipes.append((begin, end))
        pen = self.pens.setdefault(who, Pen(who))
        return bus.open_bus("bus://stdio", host(who, stdin=begin, write=self.write, pen=pen))

    def looker(self) -> Bus:
        out = self.client("looker")
        os.close(self.pipes[-1][1])
        self.pipes[-1] = self.pipes[-1][0], os.open(os.devnull, os.O_WRONLY)
        return out

    def end(self) -> None:
        for fd in itertools.chain.from_iterable(self.pipes):
            os.close(fd)


class GitWorld:
    def __init__(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(git_bus, "POLL_S", 0.02)
        self.clone: Clone = request.getfixturevalue("repo")

    def client(self, who: str) -> Bus:
        return clients_of(self.clone, who)

    def looker(self) -> Bus:
        return self.client("looker")

    def end(self) -> None:
        pass


def clients_of(clone: Clone, who: str, *, stdin: int = -1) -> Bus:
    """A client of the bus of a clone."""
    kernel = Kernel(
        str(clone.path),
        dict(os.environ),
        now_ms=clone.clock,
        entropy=clone.entropy,
        say=lambda level, text: clone.said.append((level, text)),
        actor=who,
    )
    return open_bus(kernel, "bus://git", stdin=stdin, write=lambda _: False)


WORLDS: dict[str, Callable[[pytest.FixtureRequest, pytest.MonkeyPatch], World]] = {
    "memory": MemoryWorld,
    "stdio": StdioWorld,
    "git": GitWorld,
}


# what tests do with a client


def draft(type_: str, n: int = 0, **more: Any) -> Event:
    return {"type": type_, "refs": {}, "body": {"n": n}} | more


def read(client: Bus, since: str | None = None, timeout_s: float = 0, **filters: tuple[str, ...]) -> list[Event]:
    """All that a subscription gives until it ends; the last one is a bookmark."""
    out = list(client.subscribe(filters, since, timeout_s=timeout_s))
    assert out and [e["type"] for e in out].count("bus.bookmark") == 1 and out[-1]["type"] == "bus.bookmark"
    return out


def numbers(events: list[Event]) -> list[int]:
    """The bodies' numbers, without bookmarks."""
    return [e["body"]["n"] for e in events if e["type"] != "bus.bookmark"]


def token(events: list[Event]) -> str:
    """Where a stream that has ended was."""
    return str(events[-1]["body"]["cursor"])


def only(cursor: str, *names: str) -> dict[str, Any]:
    """The places of a cursor in some journals, or all: what two buses must agree on."""
    from tbdx.core.cursor import parse

    found: Cursor = parse(cursor)
    return {n: p for n, p in found.journals.items() if not names or n in names}


class Apart:
    """Something done in a thread of its own; `result` waits for it, within the limit."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self.out: list[Any] = []
        self.failed: list[BaseException] = []
        self.thread = threading.Thread(target=self._run, args=(do,), daemon=True)
        self.thread.start()

    def _run(self, do: Callable[[], Any]) -> None:
        try:
            self.out.append(do())
        except BaseException as e:  # noqa: BLE001  # raised where the result is asked for
            self.failed.append(e)

    def result(self) -> Any:
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive(), f"not done in {LIMIT_S} s"
        for e in self.failed:
            raise e
        return self.out[0]


def taken(stream: Iterator[Event], n: int) -> list[Event]:
    """The next so many events of a stream."""
    return list(itertools.islice(stream, n))
