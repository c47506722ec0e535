"""Agents, messages and artifacts: their fields, their rules, their files. Issues are in `core.entity` and `core.codec`.

A file is `---`, front matter, `---` and a body, which is one text. In memory an entity is a plain dict of its front
matter in file order, with its body under `body`; keys that no row knows travel along untouched.
"""

from __future__ import annotations

from tbdx.core import address, canon, codec, entity
from tbdx.core.digest import hexdigest
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
# where the content of an artifact is: beside it on the sync branch, in the clone that added it, or at a URL
IN_GIT, IN_CLONE = "git", "clone"
CONTENT_MAX = codec.LARGEST  # bytes of one on the sync branch; a larger one stays in its clone
URL_MAX = 2_000

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
        ("subject", "line?", "fixed"),
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
        ("name", "line!", "fixed"),
        ("digest", "digest!", "fixed"),
        ("media_type", "media!", "fixed"),
        ("size", "count!", "fixed"),  # bytes
        ("where", "place!", "fixed"),  # see IN_GIT
        ("host", "line?", "fixed"),  # of the clone that has it
        ("work_id", "issue?", "fixed"),
        ("supersedes", "artifact?", "fixed"),
        ("created_by", "address!", "fixed"),
        ("created_at", "instant!", "fixed"),
        ("extensions", "map", "fixed"),
    ),
}
NEVER_CHANGE = ("message", "artifact")
_MEDIA = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+")  # RFC 6838


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


def is_content(name: str) -> bool:
    """True for what a file of content is named: 64 hex digits."""
    return is_digest(f"sha256:{name}")


def content_problem(name: str, data: bytes) -> str | None:
    """Why a file in the folder of contents is not what its name says, None when it is."""
    if not is_content(name):
        return "not the name of an artifact's content"
    if len(data) > CONTENT_MAX:
        return f"larger than {CONTENT_MAX} bytes"
    return None if hexdigest(data) == name else "its bytes are not those that its name says"


def is_media_type(value: object) -> bool:
    """True for `type/subtype`, with parameters behind a semicolon or without."""
    if not isinstance(value, str) or len(value) > 200 or not value.isascii() or not value.isprintable():
        return False
    kind, slash, rest = value.partition(";")[0].rstrip().partition("/")
    return bool(slash) and bool(kind) and bool(rest) and not (set(kind + rest) - _MEDIA)


def is_url(text: str) -> bool:
    """True for an absolute http(s) URL."""
    scheme, colon, rest = text.partition("://")
    host = rest.partition("/")[0]
    return bool(colon and host) and scheme.lower() in ("http", "https") and text.isprintable() and " " not in text


def is_thread(value: object) -> bool:
    """True for what may name a thread: printable, without blanks."""
    return isinstance(value, str) and 1 <= len(value) <= 200 and value.isprintable() and " " not in value


def _all(is_good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) <= TO_MAX and all(map(is_good, value))


def _is_line(value: object) -> bool:
    return isinstance(value, str) and len(value) <= SUBJECT_MAX and not set(value) & {"\0", "\n"}


def _is_place(value: object) -> bool:
    return value in (IN_GIT, IN_CLONE) or (isinstance(value, str) and len(value) <= URL_MAX and is_url(value))


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": (address.is_name, "Expected a name"),
    "names": (_all(address.is_name), "Expected a list of names"),
    "address": (address.is_address, "Expected agent:NAME or another address"),
    "addresses": (_all(address.is_address), f"Expected a list of addresses, {TO_MAX} at most"),
    "line": (_is_line, f"Expected one line of at most {SUBJECT_MAX} characters"),
    "thread": (is_thread, "Expected a thread's name, without blanks"),
    "message": (lambda value: is_internal(value, "ms"), "Expected ms- and a ULID"),
    "importance": (lambda value: value in IMPORTANCE, f"Expected one of {', '.join(IMPORTANCE)}"),
    "flag": (lambda value: isinstance(value, bool), "Expected true or false"),
    "digest": (is_digest, "Expected sha256: and 64 hex digits"),
    "media": (is_media_type, "Expected a media type, as text/plain"),
    "place": (_is_place, f"Expected {IN_GIT}, {IN_CLONE}, or an http(s) URL"),
    "artifact": (lambda value: is_internal(value, "ar"), "Expected ar- and a ULID"),
}
