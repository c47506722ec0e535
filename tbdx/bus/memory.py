"""A hub in this process, by name: what one publishes reaches all who opened the same name. It lives as long as the
process does."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Condition
from typing import Any

from tbdx.bus import Ack, Event, Filters, Host, Page
from tbdx.bus.held import Held
from tbdx.bus.reading import check_one, fold, follow, snapshot, view_of
from tbdx.errors import Usage

_HUBS: dict[str, Hub] = {}


class Hub:
    def __init__(self) -> None:
        self.held = Held()
        self.changed = Condition()  # its lock may be taken again by who has it: a signal's handler closes a bus


class MemoryBus:
    def __init__(self, rest: str, host: Host) -> None:
        if not rest:
            raise Usage("a bus in memory has a name", hint="memory:NAME")
        self.hub = _HUBS.setdefault(rest, Hub())
        self.closed = False

    def publish(self, event: Event) -> Ack:
        with self.hub.changed:
            new = self.hub.held.add(event)
            self.hub.changed.notify_all()
        return {"event_id": event["event_id"], "seq": event["seq"], "duplicate": not new, "durability": "relay"}

    def subscribe(
        self, filters: Filters, since: str | None, *, timeout_s: float, count: int | None = None
    ) -> Iterator[Event]:
        seen = -1

        def read(token: str | None) -> Page:
            nonlocal seen
            with self.hub.changed:
                seen = len(self.hub.held.ids)
                return self.hub.held.past(token)

        def wait(limit_s: float) -> bool:
            with self.hub.changed:
                return self.hub.changed.wait_for(lambda: self.closed or len(self.hub.held.ids) != seen, limit_s)

        return follow(read, wait, lambda: self.closed, filters, since, timeout_s=timeout_s, count=count)

    def snapshot(self, since: str | None = None, view: str | None = None) -> dict[str, Any]:
        check_one(since, view)
        with self.hub.changed:
            page = self.hub.held.past(since)
        return snapshot(page) if view is None else view_of(fold(view, (e for _, e in page.rows if e)), page.cursor)

    def close(self) -> None:
        self.closed = True
        with self.hub.changed:
            self.hub.changed.notify_all()
