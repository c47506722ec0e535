"""What every backend makes of what it can read: a stream that goes on, a snapshot, a view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any

from tbdx.bus import Event, Filters, Page
from tbdx.core import chain, cursor, event, views
from tbdx.core.chain import Entry
from tbdx.core.cursor import Cursor
from tbdx.errors import Usage

IDLE_S = 30.0  # so long without an event, and a stream says where it is

Read = Callable[[str | None], Page]  # what is past a cursor
Wait = Callable[[float], bool]  # for more, or the end; False when neither came within so many seconds


def follow(
    read: Read,
    wait: Wait,
    ended: Callable[[], bool],
    filters: Filters,
    since: str | None,
    *,
    timeout_s: float,
    count: int | None,
) -> Iterator[Event]:
    """`Bus.subscribe` for what can be read past a cursor and waited for. `ended`: nothing comes any more."""
    wrong = filters.keys() - set(event.FILTERS)
    if wrong:
        raise Usage(f"no filter {min(wrong)}", hint=f"there are {', '.join(event.FILTERS)}")
    if count is not None and count < 1:
        raise Usage(f"a count of {count}", hint="count from 1")
    if since:
        cursor.parse(since)
    return _follow(read, wait, ended, filters, since, monotonic() + timeout_s, count)


def _follow(
    read: Read,
    wait: Wait,
    ended: Callable[[], bool],
    filters: Filters,
    at: str | None,
    until: float,
    count: int | None,
) -> Iterator[Event]:
    quiet_from, said = monotonic(), ""
    while True:
        page = read(at)
        for n, (found, _) in enumerate(page.rows):
            if event.wanted(found, filters):
                yield found
                quiet_from = monotonic()
                count = None if count is None else count - 1
                if count == 0:
                    yield event.bookmark(_up_to(page, n, at).token())
                    return
        at = page.cursor.token()
        more = False
        while not more:
            now = monotonic()
            if ended() or now >= until:
                yield event.bookmark(at)
                return
            idle = max(quiet_from + IDLE_S - now, 0) if said != at else IDLE_S
            more = wait(min(until - now, idle))
            if not more and said != at and monotonic() >= quiet_from + IDLE_S:
                said = at
                yield event.bookmark(at)


def _up_to(page: Page, n: int, at: str | None) -> Cursor:
    """The cursor past the first rows of a page, up to the n-th."""
    unseen = page.rows[n + 1 :]
    out = cursor.without(page.cursor, (entry for _, entry in unseen if entry))
    if any(entry is None for _, entry in unseen):  # changes up to a commit are seen together, or once more
        out.commit = cursor.parse(at).commit if at else ""
    return out


def snapshot(page: Page) -> dict[str, Any]:
    return {"events": [found for found, _ in page.rows], "cursor": page.cursor.token(), "complete": page.complete}


def view_of(view: views.View, at: Cursor) -> dict[str, Any]:
    return {"view": view.name, "digest": view.digest, "rows": view.rows, "cursor": at.token()}


def check_one(since: str | None, view: str | None) -> None:
    """Raises Usage for a snapshot that cannot be."""
    if view is not None:
        views.check(view)
        if since is not None:
            raise Usage(
                "a view is of everything", hint="either a cursor or a view; materialize VIEW --at CURSOR goes back"
            )


def fold(name: str, entries: Iterable[Entry]) -> views.View:
    """A view of lines, by the rules of `core.views`."""
    journals: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: e.seq):
        journals.setdefault(entry.name, []).append(entry)
    facts, refused = chain.folded(journals, bound=False)
    state = views.refuse(views.fold(views.new(views.VIEWS[name]), views.in_order(facts)), refused)
    return views.View(name, views.rows(name, state))
