"""JSON Schema of events, made from the table of types."""

from __future__ import annotations

from tbdx.core.event import ENVELOPE, LONGEST, REFS, STREAM_ONLY, TYPES
from tbdx.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS = {"text": "string", "int": "integer", "number": "number", "flag": "boolean", "map": "object", "list": "array"}


def schema(type_: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an event of a known type. Raises NotFound."""
    if type_ not in TYPES:
        raise NotFound(f"no event type {type_}", hint="ev schema lists them")
    required, ref, does = TYPES[type_]
    body = {name: {"type": _KINDS[kind]} for name, kind in (spec.split(":") for spec in required.split())}
    out = envelope()
    out["title"], out["properties"]["type"] = type_, {"const": type_}
    notes = [does] if does else []
    notes += ["on streams only"] if type_ in STREAM_ONLY else []
    if notes:
        out["description"] = "; ".join(notes)
    out["properties"]["body"] = {"type": "object", "properties": body, "required": list(body)}
    if ref:
        out["properties"]["refs"]["required"] = [ref]
    return out


def envelope() -> dict[str, Any]:
    """The JSON Schema of any event; unknown keys and types are taken."""
    fields = [spec.split(":") for spec in ENVELOPE]
    properties: dict[str, Any] = {name: {"type": _KINDS[kind]} for name, kind in fields}
    properties["v"] = {"const": 1}
    properties["event_id"] |= {"pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
    properties["type"] |= {"pattern": r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", "maxLength": 80}
    properties["writer"] |= {"pattern": "^[a-z0-9][a-z0-9-]{0,39}~[0-9a-hjkmnp-tv-z]{13}$"}
    properties["seq"] |= {"minimum": 1}
    properties["prev"] |= {"pattern": "^[0-9a-f]{8}$"}
    actor = {"agent_id": {"type": "string"}, "session_id": {"type": "string"}}
    properties["actor"] = {"type": "object", "properties": actor, "required": ["agent_id"]}
    properties["refs"] = {"type": "object", "properties": {name: {"type": "string"} for name in REFS}}
    properties["idempotency_key"] = {"type": "string"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "event",
        "description": f"one line of a journal, {LONGEST} bytes at most",
        "type": "object",
        "properties": properties,
        "required": [name for name, _ in fields],
    }
