"""The journals of this clone as a bus: what any process here writes, and what a sync brings. No network is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Any

from tbdx.bus import Ack, Event, Filters, Host, Page
from tbdx.bus.reading import check_one, follow, snapshot, view_of
from tbdx.errors import Usage

POLL_S = 0.2


class GitBus:
    def __init__(self, rest: str, host: Host) -> None:
        if rest.strip("/"):
            raise Usage(f"the bus of this clone has no part {rest[:60]}", hint="git:")
        self.host, self.closed = host, False

    def publish(self, event: Event) -> Ack:
        return self.host.publish(event)

    def subscribe(
        self, filters: Filters, since: str | None, *, timeout_s: float, count: int | None = None
    ) -> Iterator[Event]:
        seen: object = None

        def read(token: str | None) -> Page:
            nonlocal seen
            seen = self.host.state()  # first: what comes while we read is another state
            return self.host.read(token)

        def wait(limit_s: float) -> bool:
            return changed(lambda: self.closed or self.host.state() != seen, limit_s)

        return follow(read, wait, lambda: self.closed, filters, since, timeout_s=timeout_s, count=count)

    def snapshot(self, since: str | None = None, view: str | None = None) -> dict[str, Any]:
        check_one(since, view)
        page = self.host.read(since)
        return snapshot(page) if view is None else view_of(self.host.view(view), page.cursor)

    def close(self) -> None:
        self.closed = True


def changed(is_so: Callable[[], bool], limit_s: float) -> bool:
    """Wait until something is so; False when it is not within so many seconds."""
    until = monotonic() + limit_s
    while not is_so():
        left = until - monotonic()
        if left <= 0:
            return False
        sleep(min(left, POLL_S))
    return True
