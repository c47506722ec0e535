"""JSON text without the json package, whose import alone costs as much as starting Python does.

The C function that quotes strings does the work; plain values only, as `json.dumps(ensure_ascii=False)` prints them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _json import encode_basestring as quote
except ImportError:  # another Python than CPython
    from json.encoder import py_encode_basestring as quote


def dumps(value: Any, indent: int | None = None) -> str:
    """One JSON document: on one line without blanks, or with `indent` spaces a level. Raises TypeError."""
    if indent is None:
        return _write(value, "", "", ",", ":")
    return _write(value, "\n", " " * indent, ",", ": ")


def _write(value: Any, line: str, step: str, comma: str, colon: str) -> str:
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise TypeError(f"{value} is no JSON number")
        return float.__repr__(value)
    inner = line + step if line else ""
    if isinstance(value, dict):
        parts = [f"{quote(str(k))}{colon}{_write(v, inner, step, comma, colon)}" for k, v in value.items()]
        return f"{{{inner}{(comma + inner).join(parts)}{line}}}" if parts else "{}"
    if isinstance(value, (list, tuple)):
        parts = [_write(v, inner, step, comma, colon) for v in value]
        return f"[{inner}{(comma + inner).join(parts)}{line}]" if parts else "[]"
    raise TypeError(f"{type(value).__name__} is no JSON value")
