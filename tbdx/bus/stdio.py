"""Events as JSON Lines on stdin and stdout: a pipe, a file, a line to another machine.

A stream may be played from its start again and again: a reader that has a cursor drops what that is past. What
is no event is told and stepped over; bookmarks are, too, without a word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from select import select
from time import monotonic
from typing import Any

from tbdx.bus import Ack, Event, Filters, Host, Page
from tbdx.bus.held import Held
from tbdx.bus.reading import check_one, fold, follow, snapshot, view_of
from tbdx.core import event
from tbdx.errors import BadFile, Invalid, NotPublished, Usage

SLICE_S = 0.2  # so long at most until a bus that was closed notices
PIECE = 1 << 16
MOST = 16  # pieces that are taken before they are shown
SNAPSHOT_S = 30.0  # how long a snapshot waits for the end of stdin
NOWHERE = {"writer": "nobody~0000000000000", "seq": 1, "prev": ""}  # what an event has not that no journal has


class StdioBus:
    def __init__(self, rest: str, host: Host) -> None:
        if rest.strip("/"):
            raise Usage(f"stdin and stdout have no part {rest[:60]}", hint="stdio:")
        self.host = host
        self.held, self.derived = Held(), dict[str, Event]()
        self.sent: set[str] = set()
        self.left, self.number, self.ended = b"", 0, False  # of a line that has not ended; lines; whether no more come

    def publish(self, event: Event) -> Ack:
        known = event["event_id"] in self.sent
        if not known and not self.host.write(event):
            raise NotPublished("nobody reads the stream any more")
        self.sent.add(event["event_id"])
        return {"event_id": event["event_id"], "seq": event["seq"], "duplicate": known, "durability": "relay"}

    def subscribe(
        self, filters: Filters, since: str | None, *, timeout_s: float, count: int | None = None
    ) -> Iterator[Event]:
        def wait(limit_s: float) -> bool:
            return self._comes(monotonic() + limit_s)

        return follow(self._read, wait, lambda: self.ended, filters, since, timeout_s=timeout_s, count=count)

    def snapshot(self, since: str | None = None, view: str | None = None) -> dict[str, Any]:
        check_one(since, view)
        until = monotonic() + SNAPSHOT_S
        while not self.ended and self._comes(until):
            self._take()
        page = self._read(since)
        if view is None:
            return snapshot(page._replace(complete=page.complete and self.ended))
        return view_of(fold(view, (e for _, e in page.rows if e)), page.cursor)

    def close(self) -> None:
        self.ended = True

    def _comes(self, until: float) -> bool:
        """Wait for more, or the end; False when neither came."""
        while not self.ended:
            left = until - monotonic()
            if select([self.host.stdin], [], [], max(min(left, SLICE_S), 0))[0]:
                return True
            if left <= 0:
                return False
        return True

    def _read(self, token: str | None) -> Page:
        for _ in range(MOST):
            if self.ended or not self._comes(0):
                break
            self._take()
        page = self.held.past(token)
        derived, self.derived = self.derived, {}  # no cursor knows of them: each is shown when it comes
        rows = [*page.rows, *((found, None) for found in derived.values())]
        return page._replace(rows=sorted(rows, key=lambda row: str(row[0]["event_id"])))

    def _take(self) -> None:
        data = os.read(self.host.stdin, PIECE)
        *lines, last = (self.left + data).split(b"\n")
        self.left = last[: event.LONGEST + 1]  # no event is so long: what it is does not matter
        if not data:
            self.ended = True
            lines.append(self.left)
        for line in lines:
            self.number += 1
            if line.strip():
                self._take_line(line)

    def _take_line(self, line: bytes) -> None:
        try:
            found = event.parse_object(line, any_number=True)
            if found.get("type") == "bus.bookmark":
                return
            if found.get("derived") is True:
                wrong = event.damage(found | NOWHERE)
                if wrong:
                    raise BadFile(wrong)
                self.derived[found["event_id"]] = found
            else:
                self.held.add(event.parse(line), line)
        except (BadFile, Invalid) as e:
            self.host.say(f"line {self.number}: {e.message}; it is stepped over")
