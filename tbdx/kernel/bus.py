"""The bus of a URI, for this clone: what it needs of the journals here, as plain functions.

Reading a stream while others write: `state` tells cheaply that there may be more, `read` says what.
"""

from __future__ import annotations

import os
from time import monotonic

from tbdx.bus import Host, Page, parse_uri
from tbdx.bus import open_bus as opened
from tbdx.core import cursor, event
from tbdx.core.jsontext import dumps
from tbdx.errors import BadFile, Invalid
from tbdx.kernel import Kernel, carried, journal, log, stream, views
from tbdx.store import config as settings
from tbdx.store import journal as kept

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tbdx.bus import Ack, Event
    from tbdx.bus import Bus as Bus  # the cli's word for it, too

# a sync brings issues before it brings the events that tell of them: so long a new tip of the sync branch has to stand
# until what no event tells of is shown on a stream that was on already
SETTLE_S = 3.0


def open_bus(k: Kernel, uri: str, *, stdin: int, write: Callable[[Event], bool]) -> Bus:
    """`write` puts one line on stdout; False when nobody reads it any more. Nothing of this clone is looked at before
    that is needed. Raises Usage."""
    read, state = _reader(k)
    return opened(
        uri,
        Host(
            publish=lambda given: publish(k, given),
            made=lambda ack: _made(k, ack),
            read=read,
            state=state,
            view=lambda name: views.materialize(k, name),
            stdin=stdin,
            write=write,
            say=lambda text: k.say("warn", text),
        ),
    )


def is_stdout(uri: str) -> bool:
    """Whether the events of a bus go to stdout, where answers would be taken for some."""
    return parse_uri(uri)[0] == "stdio"


def given(line: bytes) -> Event | None:
    """What to publish, from a line of JSON: a draft, or an event as a stream showed it; None for what lives on streams
    only, and is nobody's to publish. Raises BadFile, Invalid."""
    found = event.parse_object(line)
    if found.get("type") == "bus.bookmark" or found.get("derived") is True:
        return None
    return event.parse(line) if event.is_made(found) else journal.draft_of(line)


def refuse_secrets(k: Kernel, found: Event) -> None:
    """As for a draft; what a journal has set is no secret. Raises Invalid."""
    said = {name: value for name, value in found.items() if name not in event.STAMPED}
    journal.refuse_secrets(k, "events", dumps(said))


def publish(k: Kernel, found: Event) -> Ack:
    """Journal a draft, or take in what others made, as import does. Raises Invalid, Disk, Locked."""
    _ = k.config  # the stamp is checked before anything is written
    if not event.is_made(found):
        draft: dict[str, Any] = {"refs": {}, "body": {}} | found
        event.check_draft(draft.get("type"), draft["refs"], draft["body"])
        return journal.append(k, [journal.about(k, draft)])[0]
    plain = event.unmarked(found)
    wrong = event.damage(plain)
    if wrong:
        raise Invalid(f"not an event: {wrong}")
    done = carried.import_(k, event.render(plain), "bus")
    ack = {name: plain[name] for name in ("event_id", "seq", "writer")}
    return ack | {"duplicate": not done["imported"], "durability": "local"}


def _made(k: Kernel, ack: Ack) -> Event | None:
    """The event that an answer is about, from the journal that has it; None where it was compacted."""
    writer, event_id = event.base_writer(ack["writer"]), ack["event_id"]
    own = log.Source(writer)
    own.roots.append(kept.own(k.repo))
    found = _find(own, ack["seq"], event_id)
    if found is None and writer in (others := log.sources(k)):
        found = _find(others[writer], ack["seq"], event_id)
    return found


def _find(source: log.Source, seq: int, event_id: str) -> Event | None:
    for path, _ in source.files(seq - 1):
        for line in kept.read(path).split(b"\n"):
            if event_id.encode() in line:
                try:
                    found = event.parse(line)
                except BadFile:
                    continue  # told where it is verified
                if found["event_id"] == event_id:
                    return found
    return None


def _reader(k: Kernel) -> tuple[Callable[[str | None], Page], Callable[[], object]]:
    """(`read`, `state`) of a Host, for one reader."""
    settled: str | None = None  # the commit of the sync branch up to which it is shown what no event tells of
    tip: str | None = None  # what its ref held when last looked at, and since when
    tip_at: float | None = None  # None when that commit is the settled one

    def state() -> object:
        nonlocal settled, tip, tip_at
        now = settings.ref(k.repo, f"refs/heads/{k.config.branch}")
        if settled is not None and now != tip:
            tip_at = monotonic()
        tip = now
        if settled is None or (tip_at is not None and monotonic() - tip_at >= SETTLE_S):
            settled, tip_at = k.git.branch_tip(k.config.branch) or "", None
        return settled, _sizes(k)

    def read(token: str | None) -> Page:
        rows, now = stream.shown(k, token, settled)
        complete = bool(token or not now.checkpoint) and not cursor.has_gap(now)
        return Page([(found | marks, entry) for found, entry, marks in rows], now, complete)

    return read, state


def _sizes(k: Kernel) -> list[Any]:
    """Something that differs whenever a journal has more lines: of each the open segment and its size, how many carried
    files there are, and where the coordination branch stands."""
    out: list[Any] = [settings.ref(k.repo, f"refs/heads/{k.coordination.branch}"), kept.taken(k.repo)]
    for root in journal.roots(k):
        for writer in kept.writers(root):
            segments = kept.segments(root, writer)
            path = segments[-1][1] if segments else ""
            out.append((path, _size(path)))
    return [*out, len(kept.carried(kept.own(k.repo)))]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
