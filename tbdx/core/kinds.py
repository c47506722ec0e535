"""Agents, messages and artifacts: their fields, their rules, their files. Issues are in `core.entity` and `core.codec`.

A file is `---`, front matter, `---` and a body, which is one text. In memory an entity is a plain dict of its front
matter in file order, with its body under `body`; keys that no row knows travel along untouched.
"""

from __future__ import annotations

from tbdx.core import address, canon, codec, entity
from tbdx.core.entity import BODY_MAX, COLLECTIONS, TITLE_MAX
from tbdx.core.ids import is_internal
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Entity = dict[str, Any]

IMPORTANCE = ("low", "normal", "high", "urgent")
MESSAGE_MAX = BODY_MAX  # characters of a message; a longer text is an artifact
TO_MAX = 1_000  # addresses of a message
SUBJECT_MAX = TITLE_MAX

# kind -> (field, what it holds, how two changed values meet), in the order of the file; see `core.entity.FIELDS`
FIELDS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "agent": (
        ("type", "type!", "fixed"),
        ("id", "id!", "fixed"),
        ("version", "count!", "version"),
        ("name", "name!", "fixed"),
        ("harness", "text?", "later"),
        ("model", "text?", "later"),
        ("host", "text?", "later"),
        ("roles", "names", "set"),
        ("groups", "names", "set"),
        ("created_at", "instant!", "fixed"),
        ("updated_at", "instant!", "version"),
        ("retired_at", "instant?", "earliest"),
        ("extensions", "map", "deep"),
    ),
    "message": (
        ("type", "type!", "fixed"),
        ("id", "id!", "fixed"),
        ("from", "address!", "fixed"),
        ("to", "addresses!", "fixed"),
        ("cc", "addresses", "fixed"),
        ("recipients", "addresses!", "fixed"),
        ("subject", "subject?", "fixed"),
        ("thread_id", "thread?", "fixed"),
        ("reply_to", "message?", "fixed"),
        ("work_id", "issue?", "fixed"),
        ("importance", "importance", "fixed"),
        ("ack_required", "flag", "fixed"),
        ("ack_by", "instant?", "fixed"),
        ("created_at", "instant!", "fixed"),
        ("extensions", "map", "fixed"),
    ),
    "artifact": (
        ("type", "type!", "fixed"),
        ("id", "id!", "fixed"),
        ("name", "text!", "fixed"),
        ("digest", "digest!", "fixed"),
        ("media_type", "text!", "fixed"),
        ("size", "count!", "fixed"),
        ("where", "text!", "fixed"),
        ("work_id", "issue?", "fixed"),
        ("created_by", "address!", "fixed"),
        ("created_at", "instant!", "fixed"),
        ("extensions", "map", "fixed"),
    ),
}
NEVER_CHANGE = ("message", "artifact")


def kind_of(internal: object) -> str | None:
    """The collection that an id is of; None for what is no id."""
    return next((kind for kind, (_, prefix) in COLLECTIONS.items() if is_internal(internal, prefix)), None)


def fields_of(kind: str) -> tuple[str, ...]:
    """The names of the fields of a kind, its texts among them."""
    if kind == "issue":
        return (*entity.ORDER, *entity.BODY)
    return (*(name for name, *_ in FIELDS[kind]), "body")


def rules(kind: str) -> dict[str, str]:
    """field -> how two changed values of it meet; the body of a file stands under the empty key."""
    return {name: rule for name, _, rule in FIELDS[kind]} | {"": "fixed" if kind in NEVER_CHANGE else "lines"}


def parse(text: str, kind: str, expect: str | None = None) -> Entity:
    """The entity in a file's text, checked. `expect` is the id that the file's name promises. Raises BadFile."""
    front, body = codec.split(text)
    found, lines = codec.front_matter(front)
    if "body" in found:
        raise BadFile("body belongs below the front matter", line=codec.line_of("body", front, lines))
    if body.strip():
        found["body"] = body.removesuffix("\n")
    wrong = problems(found, kind)
    if wrong:
        name, what = wrong[0]
        raise BadFile(f"{name}: {what}", line=codec.line_of(name, front, lines))
    if expect is not None and found["id"] != expect:
        said = f"id: the file is named {expect} but holds {found['id']}"
        raise BadFile(said, line=codec.line_of("id", front, lines))
    return found


def render(fields: Entity, kind: str) -> str:
    """The text of an entity's file."""
    names = [name for name, *_ in FIELDS[kind] if name in fields]
    front = {name: fields[name] for name in (*names, *(n for n in fields if n not in names and n != "body"))}
    body = fields.get("body")
    return f"---\n{canon.dumps(front)}---\n{body}\n" if body else f"---\n{canon.dumps(front)}---\n"


def problems(fields: Entity, kind: str) -> list[tuple[str, str]]:
    """(field, what is wrong) for each rule that an entity breaks, in the table's order; [] for a good one."""
    out = []
    for name, holds, _ in FIELDS[kind]:
        value = fields.get(name)
        if name not in fields or (value is None and holds[-1] == "?"):
            if holds[-1] == "!":
                out.append((name, "Required"))
            continue
        is_good, expected = _check(kind, holds.rstrip("!?"))
        if not is_good(value):
            out.append((name, f"{expected}, received {entity.shown(value)}"))
    body = fields.get("body")
    if body is not None and (not isinstance(body, str) or len(body) > BODY_MAX):
        out.append(("body", f"must be text of at most {BODY_MAX} characters"))
    return out


def _check(kind: str, holds: str) -> tuple[Callable[[Any], bool], str]:
    """(whether a value is good, what to say that was expected)."""
    prefix = COLLECTIONS[kind][1]
    if holds == "type":
        return lambda value: value == prefix, f"Expected {prefix}"
    if holds == "id":
        return lambda value: is_internal(value, prefix), f"Expected {prefix}- and a ULID"
    return _CHECKS.get(holds) or (entity.CHECKS[holds], entity.EXPECTED[holds])


def is_digest(value: object) -> bool:
    """True for `sha256:` and 64 hex digits."""
    return (
        isinstance(value, str)
        and len(value) == 71
        and value[:7] == "sha256:"
        and not value[7:].strip("0123456789abcdef")
    )


def is_thread(value: object) -> bool:
    """True for what may name a thread: printable, without blanks."""
    return isinstance(value, str) and 1 <= len(value) <= 200 and value.isprintable() and " " not in value


def _all(is_good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) <= TO_MAX and all(map(is_good, value))


def _is_subject(value: object) -> bool:
    return isinstance(value, str) and len(value) <= SUBJECT_MAX and not set(value) & {"\0", "\n"}


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (address.is_name, "Expected a name"),
    "names": (_all(address.is_name), "Expected a list of names"),
    "address": (address.is_address, "Expected agent:NAME or another address"),
    "addresses": (_all(address.is_address), f"Expected a list of addresses, {TO_MAX} at most"),
    "subject": (_is_subject, f"Expected one line of at most {SUBJECT_MAX} characters"),
    "thread": (is_thread, "Expected a thread's name, without blanks"),
    "message": (lambda value: is_internal(value, "ms"), "Expected ms- and a ULID"),
    "importance": (lambda value: value in IMPORTANCE, f"Expected one of {', '.join(IMPORTANCE)}"),
    "flag": (lambda value: isinstance(value, bool), "Expected true or false"),
    "digest": (is_digest, "Expected sha256: and 64 hex digits"),
}
