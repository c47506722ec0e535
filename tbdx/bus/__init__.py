"""How it moves: publish, subscribe, snapshot. Whatever carries the events, the answers and the cursors are the same.

Events are plain JSON objects. One that is published is a draft ({type, refs, body, idempotency_key?}), which is
journaled for whoever acts, or one that a journal has given its place already, which is handed on as it is. A cursor is
a token of `core.cursor`; that of one bus is good on every other one. A bus belongs to one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from tbdx.core.chain import Entry
from tbdx.core.cursor import Cursor
from tbdx.core.views import View
from tbdx.errors import Usage

Event = dict[str, Any]
Ack = dict[str, Any]  # {event_id, seq, duplicate, durability}, and what else one has to say
Filters = Mapping[str, tuple[str, ...]]  # of `core.event.wanted`

# how far an event got that was acknowledged: it is on this machine's disk, in a commit here, at the remote; or it was
# handed on, and how long it is kept is for others to say
DURABILITY = ("local", "committed", "pushed", "relay")


class Bus(Protocol):
    def publish(self, event: Event) -> Ack:
        """Hand an event on; what is returned has got as far as `durability` says. A known one is no second event:
        `duplicate`. Raises Invalid, and TbdxError when it cannot be handed on."""

    def subscribe(
        self, filters: Filters, since: str | None, *, timeout_s: float, count: int | None = None
    ) -> Iterator[Event]:
        """What is past a cursor (all, where it is None) and passes, then what comes, at least once each.

        It ends with a bookmark: after so many seconds, or after `count` events that passed, or when no more can come.
        After 30 s without an event it says one, too. A filter never changes a cursor. Raises Usage, Gone.
        """

    def snapshot(self, since: str | None = None, view: str | None = None) -> dict[str, Any]:
        """{events, cursor, complete}: what is past a cursor now, and whether that is all there ever was; or a view of
        everything, {view, digest, rows, cursor}. Raises Usage, Gone."""

    def close(self) -> None:
        """End what waits; also from a signal's handler."""


class Page(NamedTuple):
    """What is past a cursor: (event, its line) in total order, no line for what no journal has; the cursor past it."""

    rows: list[tuple[Event, Entry | None]]
    cursor: Cursor
    complete: bool


class Host(NamedTuple):
    """What a bus may use of the place where it runs: the journals of this clone, and the standard streams.

    A third party's backend is called with (what its URI has after the scheme, this) and gives a Bus.
    """

    publish: Callable[[Event], Ack]  # journal a draft; take in, unverified, what others made
    made: Callable[[Ack], Event | None]  # the event that an answer is about, where a journal has it
    read: Callable[[str | None], Page]
    state: Callable[[], object]  # something cheap that is another one whenever `read` could give more
    view: Callable[[str], View]
    stdin: int
    write: Callable[[Event], bool]  # one line to stdout; False when nobody reads it any more
    say: Callable[[str], None]  # tell of something that is stepped over


Backend = Callable[[str, Host], Bus]
# scheme -> where its backend is; others are found among the entry points of the group `tbdx.bus`
BACKENDS = {
    "git": "tbdx.bus.git:GitBus",
    "memory": "tbdx.bus.memory:MemoryBus",
    "stdio": "tbdx.bus.stdio:StdioBus",
}


def open_bus(uri: str, host: Host) -> Bus:
    """The bus of a URI: `bus://SCHEME/REST` or `SCHEME:REST`. Raises Usage."""
    scheme, rest = parse_uri(uri)
    bus = _backend(scheme, uri)(rest, host)
    if scheme == "git":  # which is the journal itself
        return bus
    from tbdx.bus.durable import Durable

    return Durable(host, bus)


def parse_uri(uri: str) -> tuple[str, str]:
    """(scheme, what is left of it): ("memory", "x") for bus://memory/x and memory:x."""
    plain = uri.removeprefix("bus://")
    scheme, _, rest = plain.partition("/" if plain != uri else ":")
    return scheme, rest


def _backend(scheme: str, uri: str) -> Backend:
    target = BACKENDS.get(scheme)
    if target is not None:
        module, _, name = target.partition(":")
        found: Backend = getattr(import_module(module), name)
        return found
    from importlib.metadata import entry_points

    others = {point.name: point for point in entry_points(group="tbdx.bus")}
    if scheme not in others:
        raise Usage(f"no such bus: {uri[:80]}", hint=f"there are {', '.join(sorted({*BACKENDS, *others}))}")
    loaded: Backend = others[scheme].load()
    return loaded
