"""Events for tests: drafts become lines that follow each other, one writer after another, without a clone."""

from __future__ import annotations

import os
from typing import Any
from zlib import crc32

from tbdx.core import chain, event, ids

T0 = 1_750_000_000_000
ISSUE = "is-01jxt7d5r0000000000000000a"


def writer(name: str, n: int = 1) -> str:
    """The name of the n-th writer of an agent."""
    return event.new_writer(name, n.to_bytes(9, "big"))


def event_id(ms: int, n: int = 0) -> str:
    """An id of so many milliseconds after T0."""
    return ids.ulid(T0 + ms, n).upper()


def made(
    of: str, seq: int, ms: int, type_: str = "x.y", *, prev: str = chain.ROOT, agent: str | None = None, **more: Any
) -> dict[str, Any]:
    """An event; `more` are further keys of the envelope, or others."""
    out = {"v": 1, "event_id": event_id(ms), "ts": "2025-06-15T15:06:40.000Z", "project": "github.com/o/r"}
    out |= {"type": type_, "writer": of, "seq": seq, "prev": prev}
    out |= {"actor": {"agent_id": agent or f"agent:{of.partition('~')[0]}"}, "refs": {}, "body": {}}
    return out | more


def line(given: dict[str, Any]) -> bytes:
    """Its line, without the end."""
    return event.render(given)[:-1]


def crc(raw: bytes) -> str:
    return f"{crc32(raw):08x}"


def row(of: str, *events: tuple[int, str, dict[str, Any]], after: bytes = b"", seq: int = 0) -> list[bytes]:
    """Lines of one writer that follow each other: of (ms, type, further keys) each."""
    out = []
    for ms, type_, more in events:
        seq += 1
        after = line(made(of, seq, ms, type_, prev=crc(after) if after else chain.ROOT, **more))
        out.append(after)
    return out


def work(ms: int, verb: str, issue: str = ISSUE, **body: Any) -> tuple[int, str, dict[str, Any]]:
    """One event about an issue, for `row`."""
    return ms, f"work.{verb}", {"refs": {"work_id": issue}, "body": body}


def entry(raw: bytes, *, own: bool = True, path: str = "f", number: int = 1) -> chain.Entry:
    return chain.Entry(raw, event.parse(raw), path, number, own)


def fact(raw: bytes) -> event.Fact:
    return event.Fact(event.parse(raw))


def act(clone: Any, agent: str, *argv: str) -> Any:
    """A tracker command of an agent, which must succeed: its JSON."""
    before = os.environ.get("TBD_AGENT")
    os.environ["TBD_AGENT"] = agent
    try:
        return clone.json(*argv)
    finally:
        del os.environ["TBD_AGENT"]
        if before is not None:
            os.environ["TBD_AGENT"] = before
