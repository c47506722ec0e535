"""Many lines of events at once: what `event.parse` and `event.Fact` do, ten times as fast and with a dear import.

What the typed decoder does not take is left to `event.parse`, so that both ways know the same events.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from tbdx.core.event import LONGEST, Fact, is_minted, is_type, parse
from tbdx.core.ids import BASE32
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ID_CHARS = BASE32.upper().encode()


class Actor(msgspec.Struct, gc=False):
    agent_id: str
    session_id: object = None


class Refs(msgspec.Struct, gc=False):
    work_id: str | None = None
    thread_id: str | None = None
    message_id: str | None = None
    lease_id: str | None = None
    run_id: str | None = None
    artifact_id: str | None = None
    agent_id: str | None = None
    reply_to: str | None = None
    cause: str | None = None


class Fields(msgspec.Struct, gc=False):
    """An object; only asked for whether it is there."""


class Body(msgspec.Struct, gc=False):
    title: str | None = None
    blob: str | None = None
    was: str | None = None
    reason: str | None = None
    summary: str | None = None
    url: str | None = None
    field: str | None = None
    attic: str | None = None
    state: str | None = None
    name: str | None = None
    replaces: str | None = None
    to: object = None
    fields: Fields | None = None
    recipients: object = None
    ids: object = None
    message_id: object = None
    importance: object = None
    ack_required: object = None
    ack_by: object = None
    reader: object = None
    digest: object = None
    media_type: object = None
    size: object = None
    by: object = None


class Line(msgspec.Struct, gc=False):
    v: int
    event_id: Annotated[str, msgspec.Meta(min_length=26, max_length=26)]
    ts: str
    project: str
    type: str
    writer: str
    seq: Annotated[int, msgspec.Meta(ge=1, lt=2**53)]
    prev: str
    actor: Actor
    refs: Refs
    body: Body
    idempotency_key: object = None
    said: object = None


def facts(data: bytes) -> list[Fact | BadFile]:
    """For each line of `data`, which ends with one, its event or what is wrong with it."""
    decode = msgspec.json.Decoder(Line).decode
    lines = data.split(b"\n")[:-1]
    try:
        made: Any = [decode(line) for line in lines]
        if _is_text(data) and max(map(len, lines), default=0) < LONGEST and not _odd(made):
            return made  # type: ignore[no-any-return]  # of the same shape
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass  # somewhere in it
    return [_one(decode, line) for line in lines]


def _one(decode: Callable[[bytes], Line], line: bytes) -> Any:
    try:
        made = decode(line)
        if len(line) < LONGEST and _is_text(line) and not _odd([made]):
            return made
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass  # what it is, and where, the careful way tells
    try:
        return Fact(parse(line))
    except BadFile as e:
        return e


def _is_text(data: bytes) -> bool:
    """True for UTF-8. Raises UnicodeDecodeError. What no type asks for is stepped over by the decoder, and not read."""
    return data.isascii() or bool(data.decode())


def _odd(made: list[Line]) -> bool:
    """Whether any has what the types do not tell: an id, a name or a number that is none."""
    ids = [line.event_id for line in made]
    return bool(
        max(ids, default="") >= "8"
        or "".join(ids).encode().translate(None, _ID_CHARS)
        or not all(map(is_type, {line.type for line in made}))
        or not all(map(is_minted, {line.writer for line in made}))
    )
