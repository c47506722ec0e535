"""JSON text without the json package, whose import alone costs as much as starting Python does.

The C function that quotes strings does the work; plain values only, as `json.dumps(ensure_ascii=False)` prints them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

try:
    from _json import encode_basestring as quote
    from _json import make_encoder, make_scanner

    _compact: Callable[[Any, int], Iterable[str]] = make_encoder(
        None, lambda value: _refuse(value), quote, None, ":", ",", False, False, False
    )
except ImportError:  # another Python than CPython
    from json.encoder import py_encode_basestring as quote
    from json.scanner import py_make_scanner as make_scanner  # type: ignore

    def _compact(value: Any, _: int) -> Iterable[str]:
        return [_write(value, "", "", ",", ":")]


def dumps(value: Any, indent: int | None = None) -> str:
    """One JSON document: on one line without blanks, or with `indent` spaces a level. Raises TypeError, ValueError."""
    if indent is None:
        return "".join(_compact(value, 0))
    return _write(value, "\n", " " * indent, ",", ": ")


# what could steer a terminal or hide in a text: controls but tab and newline, bidi and zero-width marks, surrogates
HIDDEN = (
    range(0x09),
    range(0x0B, 0x20),
    range(0x7F, 0xA0),
    range(0xAD, 0xAE),
    range(0x061C, 0x061D),
    range(0x200B, 0x2010),
    range(0x2028, 0x202F),
    range(0x2060, 0x2070),
    range(0xFEFF, 0xFF00),
    range(0xFFF9, 0xFFFC),
    range(0xD800, 0xE000),
    range(0xE0000, 0xE0080),
)
_ESCAPES: dict[int, str] = {}  # made when first needed: most text is plain


def is_plain(text: str) -> bool:
    """True for text in which nothing can be hidden; much of what is printable is found to be so here."""
    return text.isprintable() or text.replace("\n", "").isprintable()


def safe_dumps(value: Any, indent: int | None = 2) -> str:
    """`dumps` with every hidden character escaped, those beyond ASCII too."""
    return safe(dumps(value, indent))


def safe(text: str) -> str:
    """JSON text with every hidden character escaped."""
    if (text.isascii() and "\x7f" not in text) or is_plain(text):
        return text
    if not _ESCAPES:
        _ESCAPES.update({c: _escaped(c) for some in HIDDEN for c in some if c >= 0x7F})
    return text.translate(_ESCAPES)


def _escaped(c: int) -> str:
    if c < 0x10000:
        return f"\\u{c:04x}"
    c -= 0x10000
    return f"\\u{0xD800 | c >> 10:04x}\\u{0xDC00 | c & 0x3FF:04x}"


_GREATEST = 1.7976931348623157e308  # of the numbers that JSON's readers hold


class _Rules:
    """How the C scanner reads: as `json.loads` does, but numbers are finite."""

    strict, object_hook, object_pairs_hook = True, None, None
    parse_int: Callable[[str], float] = int
    memo: dict[str, str] = {}

    @staticmethod
    def parse_float(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"{text} is beyond what a number holds")
        return value

    @staticmethod
    def parse_constant(text: str) -> float:
        raise ValueError(f"{text} is no JSON number")


class _AnyNumber(_Rules):
    """The same, and a number that is too great is read as the greatest: a fast decoder steps over it unseen."""

    @staticmethod
    def parse_float(text: str) -> float:
        return max(-_GREATEST, min(_GREATEST, float(text)))

    @staticmethod
    def parse_int(text: str) -> int | float:
        return int(text) if len(text) < 4300 else _AnyNumber.parse_float(text)


def loads(text: str, *, any_number: bool = False) -> Any:
    """The value of a JSON document. Raises ValueError, and RecursionError for one that is nested too deep."""
    text = text.strip(" \t\r\n")
    try:
        value, end = make_scanner(_AnyNumber if any_number else _Rules)(text, 0)  # type: ignore[arg-type]  # what it reads is there
    except StopIteration as e:
        raise ValueError(f"no value at character {e.value + 1}")
    except SystemError:  # CPython's scanner raises json.decoder's error, and none while nobody has imported that
        import json.decoder

        _ = json.decoder
        return loads(text, any_number=any_number)
    if end != len(text):
        raise ValueError(f"more than one value: the first ends at character {end}")
    return value


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
            raise ValueError(f"{value} is no JSON number")
        return float.__repr__(value)
    inner = line + step if line else ""
    if isinstance(value, dict):
        parts = [
            f"{quote(str(k))}{colon}{quote(v) if type(v) is str else _write(v, inner, step, comma, colon)}"
            for k, v in value.items()
        ]
        return f"{{{inner}{(comma + inner).join(parts)}{line}}}" if parts else "{}"
    if isinstance(value, (list, tuple)):
        parts = [_write(v, inner, step, comma, colon) for v in value]
        return f"[{inner}{(comma + inner).join(parts)}{line}]" if parts else "[]"
    return _refuse(value)


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"{type(value).__name__} is no JSON value")
