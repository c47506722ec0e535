"""`tbdx bus`: publish, subscribe and snapshot on any bus, for scripts. One JSON object a line."""

from __future__ import annotations

import os
import select
import signal
from math import inf, isfinite
from stat import S_ISFIFO
from threading import Thread

from tbdx.cli import ev
from tbdx.cli.common import Call
from tbdx.cli.output import leave
from tbdx.errors import BadFile, Invalid, Nothing, NotPublished, Usage
from tbdx.kernel import bus as verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tbdx.kernel.bus import Bus

STOPS = (signal.SIGINT, signal.SIGTERM)
UNTIL_ENDED_S = inf  # how long a stream goes on without --timeout
GRACE_S = 2  # for the bookmark, after a signal


def _open(c: Call) -> Bus:
    return verb.open_bus(c.kernel, _uri(c), stdin=0, write=lambda event: c.out.data(event, None))


def _uri(c: Call) -> str:
    return str(c["bus"] or "bus://git")


def pub(c: Call) -> int:
    if c["file"] not in (None, "-"):
        raise Usage("bus pub takes one event from options, or JSON Lines from stdin")
    if c["file"] == "-" and c["type"] is not None:
        raise Usage("either --type or - is wanted", hint="bus pub --type deploy.finished --body '{…}'")
    bad, offered, apart = 0, True, verb.is_stdout(_uri(c))
    bus = _open(c)
    for number, event in _given(c):
        if isinstance(event, Exception):
            bad += 1
            c.out.say("warn", f"line {number}: {event}")
        elif c.dry:
            c.would("Would publish", type=event["type"])
        else:
            try:
                ack = bus.publish(event)
            except Invalid as e:
                if not number:
                    raise
                bad += 1
                c.out.say("warn", f"line {number}: {e.message}")
                continue
            if ack.get("conflict"):
                c.out.say("warn", f"that key was used with another body: {ack['event_id']} stands")
            offered = offered and ack.get("relayed", True)
            if apart:
                c.out.aside(ack)
            else:
                c.out.data(ack, None)
    bus.close()
    if bad:
        return 1
    if not offered:
        raise NotPublished("journaled here, and not handed on", hint="publish again with the same --idempotency-key")
    return 0


def _given(c: Call) -> Iterator[tuple[int, dict[str, Any] | BadFile | Invalid]]:
    """(line, what to publish, or why it cannot be) of stdin; line 0 is the one of the options."""
    if c["type"] is not None:
        yield 0, ev.draft_of_options(c)
        return
    for lines in ev.lines_in():
        for number, line in lines:
            try:
                event = verb.given(line)
                if event is not None:
                    if not c["allow_secret"]:
                        verb.refuse_secrets(c.kernel, event)
                    yield number, event
            except (BadFile, Invalid) as e:
                yield number, e


def sub(c: Call) -> int:
    from tbdx.kernel.stream import Compacted

    filters, timeout_s, count = ev.filters_of(c), _seconds(c["timeout"]), _count(c["count"])
    bus = _open(c)
    before = {each: signal.getsignal(each) for each in (*STOPS, signal.SIGALRM)}
    stopped = _end_on_signals(bus)
    _end_without_reader(bus)
    found = False
    try:
        for event in bus.subscribe(filters, c["since"], timeout_s=timeout_s, count=count):
            found = found or event["type"] != "bus.bookmark"
            if not c.out.data(event, None):
                return 0  # nobody reads any more
    except Compacted as e:
        ev.tell_compacted(c, e)
        raise
    finally:
        signal.alarm(0)
        for each, handler in before.items():
            signal.signal(each, handler)
    if stopped:
        return 128 + stopped[0]
    if not found:
        raise Nothing("no event came")
    return 0


def snapshot(c: Call) -> None:
    from tbdx.kernel.stream import Compacted

    try:
        c.out.data(_open(c).snapshot(c["since"], c["view"]), None)
    except Compacted as e:
        ev.tell_compacted(c, e)
        raise


def _end_on_signals(bus: Bus) -> list[int]:
    """Let SIGINT and SIGTERM end a stream with its bookmark; the list has the one that came. Where nobody takes the
    bookmark the process ends all the same."""
    came: list[int] = []

    def end(number: int, _: object) -> None:
        came.append(number)
        signal.signal(signal.SIGALRM, lambda *_: leave(128 + number))
        signal.alarm(GRACE_S)
        for each in STOPS:
            signal.signal(each, signal.SIG_DFL)  # a second one is final
        bus.close()

    for each in STOPS:
        signal.signal(each, end)
    return came


def _end_without_reader(bus: Bus) -> None:
    """End a stream whose reader has gone, also while nothing comes that would find that out."""
    if not S_ISFIFO(os.fstat(1).st_mode):
        return
    watched = select.poll()
    watched.register(1, 0)  # what is always told: that the other end is closed

    def watch() -> None:
        watched.poll()
        bus.close()

    Thread(target=watch, daemon=True).start()


def _seconds(text: str | None) -> float:
    """--timeout. Raises Usage."""
    if text is None:
        return UNTIL_ENDED_S
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not isfinite(value) or value < 0:
        raise Usage(f"--timeout takes seconds, not {text[:40]}")
    return value


def _count(text: str | None) -> int | None:
    """--count. Raises Usage."""
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or not int(text[:9]) > 0:
        raise Usage(f"--count takes a number from 1, not {text[:40]}")
    return int(text[:9])
