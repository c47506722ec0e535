"""What happened: the envelope, the types, ids from a hybrid logical clock, and one event as one line of JSON.

A line that is well formed is an event, whatever it claims; whether what it claims holds is for a fold to say. An id
is a ULID in capitals, and the total order of events is their ids' and then their writers'.
"""

from __future__ import annotations

from tbdx.core.ids import BASE32, ulid
from tbdx.core.jsontext import dumps, loads, safe
from tbdx.errors import BadFile, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Envelope = dict[str, Any]

VERSION = 1
LONGEST = 256 * 1024  # bytes of a line, its end included
HEAD = 1024  # bytes that emitting adds to a line at most, but for a long project
DEEPEST = 32  # levels of objects and lists in a line that we write; what others wrote is read as long as it can be
AHEAD_MS = 5 * 60 * 1000  # a time further ahead of the wall clock moves no clock
KEY_DAYS = 30  # how long an idempotency key counts

# type -> (what its body must have as `name:kind`, the ref that it is about, what it does to that)
TYPES: dict[str, tuple[str, str, str]] = {
    "work.created": ("title:text", "work_id", "opens it"),
    "work.updated": ("fields:map", "work_id", ""),
    "work.claimed": ("", "work_id", "its actor holds it, unless it is closed or another holds it"),
    "work.released": ("reason:text", "work_id", "its holder holds it no more"),
    "work.handed_off": ("to:text summary:text", "work_id", "the one named holds it; the giver held it, or nobody did"),
    "work.closed": ("", "work_id", "closes it, unless it is closed"),
    "work.reopened": ("", "work_id", "opens it, if it is closed"),
    "work.linked": ("url:text", "work_id", ""),
    "work.conflicted": ("field:text attic:text", "work_id", ""),
    "msg.sent": ("to:list", "message_id", ""),
    "msg.read": ("ids:list", "", ""),
    "msg.acked": ("message_id:text", "", ""),
    "msg.bounced": ("reason:text", "message_id", ""),
    "lease.acquire": ("resource:text mode:text ttl_s:number level:text fence:int", "lease_id", ""),
    "lease.confirmed": ("fence:int", "lease_id", ""),
    "lease.renew": ("", "lease_id", ""),
    "lease.release": ("", "lease_id", ""),
    "lease.expire": ("", "lease_id", ""),
    "lease.break": ("reason:text", "lease_id", ""),
    "run.requested": ("cmd:list", "run_id", ""),
    "run.claimed": ("attempt:int", "run_id", ""),
    "run.started": ("", "run_id", ""),
    "run.output": ("", "run_id", ""),
    "run.completed": ("exit_code:int", "run_id", ""),
    "run.failed": ("reason:text retryable:flag", "run_id", ""),
    "run.cancel_requested": ("", "run_id", ""),
    "run.cancelled": ("", "run_id", ""),
    "agent.registered": ("name:text", "", "its actor is known by that name"),
    "agent.session_started": ("", "", "its actor has a session"),
    "agent.session_ended": ("", "", "its actor's session is over"),
    "agent.status": ("state:text", "", "its actor is in that state"),
    "agent.heartbeat": ("", "", ""),
    "artifact.created": ("digest:text media_type:text size:int", "artifact_id", "its content is what the digest says"),
    "artifact.superseded": ("by:text", "artifact_id", "the one named stands for it"),
    "journal.opened": ("", "", "its writer follows another one, which is retired"),
    "journal.checkpointed": ("", "", ""),
    "bus.bookmark": ("cursor:text", "", ""),
}
STAMPED = ("v", "event_id", "ts", "project", "writer", "seq", "prev", "actor", "said")  # what emitting sets
STREAM_ONLY = ("run.output", "agent.heartbeat", "bus.bookmark")  # never journaled
REFS = ("work_id", "thread_id", "message_id", "lease_id", "run_id", "artifact_id", "agent_id", "reply_to", "cause")
# the envelope's own keys, in the order in which a line has them, and the kind of each that must be there
ENVELOPE: tuple[str, ...] = ("v:int", "event_id:text", "ts:text", "project:text", "type:text", "writer:text")
ENVELOPE += ("seq:int", "prev:text", "actor:map", "refs:map", "body:map")
_ORDER: tuple[str, ...] = (
    "v",
    "event_id",
    "ts",
    "project",
    "type",
    "writer",
    "seq",
    "prev",
    "actor",
    "refs",
    "idempotency_key",
)
_ORDER += ("said", "body")
_KINDS: dict[str, tuple[str, Any]] = {
    "text": ("a string", str),
    "int": ("an integer", int),
    "number": ("a number", (int, float)),
    "flag": ("true or false", bool),
    "map": ("an object", dict),
    "list": ("a list", list),
}
_ENVELOPE = tuple((name, _KINDS[kind][1]) for name, kind in (spec.split(":") for spec in ENVELOPE))
_UPPER = BASE32.upper()
_DIGITS = str.maketrans(_UPPER, "0123456789abcdefghijklmnopqrstuv")
_SLUG_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_TYPE_CHARS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.")


# ids


def next_id(now_ms: int, random80: int, after: str = "") -> str:
    """A new event id: of this millisecond by chance, and always later than `after`."""
    n = now_ms << 80 | random80
    if after and after >= (ulid(now_ms, 0).upper()):
        n = int(after.translate(_DIGITS), 32) + 1
    return ulid(n >> 80, n & (2**80 - 1)).upper()


def is_id(text: object) -> bool:
    return isinstance(text, str) and len(text) == 26 and text[0] < "8" and not text.strip(_UPPER)


def ms_of(event_id: str) -> int:
    """The milliseconds since 1970 that an id tells."""
    return int(event_id[:10].translate(_DIGITS), 32)


def least_id(at_ms: int) -> str:
    """The least id of a millisecond: those before it are below."""
    return ulid(at_ms, 0).upper()


def writer_slug(agent: str) -> str:
    """The part of a writer's name that tells people whose it is: safe as a file name on every system."""
    text = "".join(c if c.isascii() and c.isalnum() else "-" for c in agent.removeprefix("agent:").lower())
    return "-".join(part for part in text.split("-") if part)[:40].strip("-") or "agent"


def new_writer(agent: str, chance: bytes) -> str:
    """`<slug>~<13 base32 chars>`; `chance` has 9 bytes or more."""
    n = int.from_bytes(chance, "big")
    return f"{writer_slug(agent)}~" + "".join(BASE32[n >> shift & 31] for shift in range(0, 65, 5))


def is_writer(text: object) -> bool:
    """True for the name of a writer, which may become a file name."""
    if not isinstance(text, str):
        return False
    slug, _, rest = text.partition("~")
    chance, tilde, digest = rest.partition("~")
    return (
        0 < len(slug) <= 40
        and _SLUG_CHARS.issuperset(slug)
        and slug[0] != "-"
        and len(chance) == 13
        and not chance.strip(BASE32)
        and (not tilde or (len(digest) == 8 and not digest.strip("0123456789abcdef")))
    )


def is_minted(text: object) -> bool:
    """True for a writer's own name, the only kind that a line has; a fork's is given to it by those who read it."""
    return is_writer(text) and str(text).count("~") == 1


def base_writer(name: str) -> str:
    """The writer of a journal that a fork made: `a~<13>` for `a~<13>~<digest8>`."""
    return "~".join(name.split("~")[:2])


def segment(writer: str, first: int) -> str:
    """Where a segment lies below the folder of the journals."""
    return f"{writer}.jsonl" if first == 1 else f"{writer}/{first}.jsonl"


# what a fold sees

# what folds look at in a body: these are strings, where they are there at all
ACTED_ON: tuple[str, ...] = ("title", "blob", "was", "reason", "summary", "url", "field", "attic", "state", "name")
ACTED_ON += ("replaces",)
# and these may be anything
LOOKED_AT: tuple[str, ...] = ("to", "fields", "recipients", "ids", "message_id", "importance", "ack_required")
LOOKED_AT += ("ack_by", "reader", "digest", "media_type", "size", "by")
BODY = (*ACTED_ON, *LOOKED_AT)


class Actor:
    __slots__ = ("agent_id", "session_id")

    def __init__(self, actor: Mapping[str, Any]) -> None:
        self.agent_id: str = actor["agent_id"]
        self.session_id: object = actor.get("session_id")


class Refs:
    """Those of the refs that folds look at; None where an event has none."""

    __slots__ = ("artifact_id", "message_id", "reply_to", "thread_id", "work_id")

    def __init__(self, refs: Mapping[str, Any]) -> None:
        self.work_id: str | None = refs.get("work_id")
        self.message_id: str | None = refs.get("message_id")
        self.thread_id: str | None = refs.get("thread_id")
        self.reply_to: str | None = refs.get("reply_to")
        self.artifact_id: str | None = refs.get("artifact_id")


class Body:
    """What folds look at in a body; None where it is not there."""

    __slots__ = BODY

    def __init__(self, body: Mapping[str, Any]) -> None:
        for name in BODY:
            setattr(self, name, body.get(name))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Fact:
    """An event as folds take it. `core.bulk` makes objects of the same shape, many at once."""

    __slots__ = ("actor", "body", "event_id", "idempotency_key", "prev", "refs", "said", "seq", "type", "v", "writer")

    def __init__(self, event: Envelope) -> None:
        self.v: int = event["v"]
        self.event_id: str = event["event_id"]
        self.type: str = event["type"]
        self.writer: str = event["writer"]
        self.seq: int = event["seq"]
        self.prev: str = event["prev"]
        self.actor = Actor(event["actor"])
        self.refs = Refs(event["refs"])
        self.idempotency_key: Any = event.get("idempotency_key")
        self.said: Any = event.get("said")
        self.body = Body(event["body"])


def is_folded(fact: Fact, agent: str, bound: bool) -> bool:
    """Whether folds take an event: of a version that we know, and of its journal's own agent where that is wanted."""
    return fact.v == VERSION and (not bound or fact.actor.agent_id == agent)


# lines


def render(event: Mapping[str, Any]) -> bytes:
    """An event as its line, its end included: known keys first and in order, then the others; hidden characters are
    escaped, so that a journal can be shown as it is. Raises Invalid."""
    known = {name: event[name] for name in _ORDER if name in event}
    text = dumps(known | {name: value for name, value in event.items() if name not in known})
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid("a text with half a character (a lone surrogate)")
    line = safe(text).encode() + b"\n"
    if len(line) > LONGEST:
        raise Invalid(
            f"an event of {len(line)} bytes; {LONGEST} are the most", hint="keep large bodies as artifacts or files"
        )
    return line


def parse(line: bytes) -> Envelope:
    """The event of a line, without its end. Raises BadFile with the reason for a damaged one."""
    if len(line) >= LONGEST:
        raise BadFile(f"{len(line) + 1} bytes; {LONGEST} are the most")
    event = parse_object(line, any_number=True)
    wrong = damage(event)
    if wrong:
        raise BadFile(wrong)
    return event


def parse_object(data: bytes, *, any_number: bool = False) -> dict[str, Any]:
    """A JSON object. Raises BadFile. `any_number`: one beyond what a number holds is read as the greatest."""
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        raise BadFile(f"not UTF-8 at byte {e.start + 1}")
    try:
        value = loads(text, any_number=any_number)
    except RecursionError:
        raise BadFile("nested too deep to be read")
    except ValueError as e:
        raise BadFile(f"not JSON: {e}")
    if not isinstance(value, dict):
        raise BadFile("not a JSON object")
    return value


def depth(value: object) -> int:
    """How many objects and lists lie in each other at most."""
    n, level = 0, [value]
    while level := [x for x in level if isinstance(x, (dict, list))]:
        n += 1
        level = [y for x in level for y in (x.values() if isinstance(x, dict) else x)]
    return n


def damage(event: Envelope) -> str | None:
    """Why an envelope is none; None for one that is well formed. Versions to come are taken as they are."""
    for name, right in _ENVELOPE:
        if type(event.get(name)) is not right:
            kind = next(kind for kind, (_, given) in _KINDS.items() if given is right)
            return f"{name}: {'missing' if event.get(name) is None else f'not {_KINDS[kind][0]}'}"
    if not is_id(event["event_id"]):
        return "event_id: not a ULID in capitals"
    if not is_type(event["type"]):
        return "type: not words with dots"
    if not is_minted(event["writer"]):
        return "writer: not <slug>~<13 characters>"
    if not 0 < event["seq"] < 2**53:
        return "seq: counts from 1"
    if type(event["actor"].get("agent_id")) is not str:
        return "actor.agent_id: missing, or not a string"
    for place, known in (("refs", REFS), ("body", ACTED_ON)):
        for name, value in event[place].items():
            if type(value) is not str and value is not None and name in known:
                return f"{place}.{name}: not a string"
    return None


def is_made(event: Mapping[str, Any]) -> bool:
    """Whether a journal has given it its place; what has none of these is a draft."""
    return all(name in event for name in ("event_id", "writer", "seq", "prev"))


# what streams add to a line for their readers: that of an event is what is left without
MARKS = ("unverified", "unbound", "ahead_of_clock", "unknown_version", "journal")


def unmarked(event: Envelope) -> Envelope:
    """An event as its journal has it, from one that a stream showed."""
    more = {name for name in MARKS[:-1] if event.get(name) is True}
    if is_writer(event.get("journal")) and base_writer(event["journal"]) == event.get("writer"):
        more.add("journal")
    return {name: value for name, value in event.items() if name not in more} if more else event


def bookmark(token: str) -> Envelope:
    """What a stream ends with, and says when it is quiet: the cursor past all that was looked at."""
    return {"type": "bus.bookmark", "body": {"cursor": token}}


def is_type(text: str) -> bool:
    words = text.split(".")
    return len(words) > 1 and all(words) and _TYPE_CHARS.issuperset(text) and len(text) <= 80


def _is(value: object, kind: str) -> bool:
    right: Any = _KINDS[kind][1]
    return isinstance(value, right) and (kind == "flag" or not isinstance(value, bool))


def lacking(type_: str, body: Mapping[str, Any], refs: Mapping[str, Any]) -> str | None:
    """What an event of a known type does not have although it must, in words; None when all is there."""
    required, ref, _ = TYPES.get(type_, ("", "", ""))
    for name, kind in (spec.split(":") for spec in required.split()):
        if not _is(body.get(name), kind):
            return f"body.{name}: {'missing' if body.get(name) is None else f'not {_KINDS[kind][0]}'}"
    if ref and not refs.get(ref):
        return f"refs.{ref}: missing"
    return None


def check_draft(type_: object, refs: object, body: object) -> None:
    """Refuse what no event may be made of. Raises Invalid."""
    if not isinstance(type_, str) or not is_type(type_):
        raise Invalid(f"not an event type: {type_}", hint="ev schema lists the known ones; others are words with dots")
    if type_ in STREAM_ONLY:
        raise Invalid(f"{type_} lives on streams only; it is never journaled")
    if not isinstance(refs, dict) or not all(isinstance(x, str) for x in refs.values()):
        raise Invalid("refs: an object of strings is wanted")
    if not isinstance(body, dict):
        raise Invalid("body: a JSON object is wanted")
    if depth(body) >= DEEPEST:
        raise Invalid(f"body: nested more than {DEEPEST - 1} deep")
    wrong = lacking(type_, body, refs)
    if wrong:
        raise Invalid(f"{type_}: {wrong}", hint=f"ev schema {type_}")


# filters


def globbed(pattern: str, type_: str) -> bool:
    """Whether a type matches a glob: `*` is one word, `**` any number of them, also none."""
    return _words(pattern.split("."), type_.split("."))


def _words(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "**":
        return any(_words(pattern[1:], words[n:]) for n in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _words(pattern[1:], words[1:])


FILTERS = ("type", "agent", "session", "work", "thread", "project")


def wanted(event: Envelope, filters: Mapping[str, Iterable[str]]) -> bool:
    """Whether an event passes: of each filter that is given one value must fit. `agent` goes with or without its
    `agent:`."""
    for name, values in filters.items():
        values = tuple(values)
        if values and not any(_fits(event, name, value) for value in values):
            return False
    return True


def _fits(event: Envelope, name: str, value: str) -> bool:
    if name == "type":
        return globbed(value, event["type"])
    if name == "agent":
        return bool(event["actor"]["agent_id"].removeprefix("agent:") == value.removeprefix("agent:"))
    if name == "session":
        return bool(event["actor"].get("session_id") == value)
    if name == "project":
        return bool(event["project"] == value)
    return bool(event["refs"].get(f"{name}_id") == value)
