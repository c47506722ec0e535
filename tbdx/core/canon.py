"""The one YAML form that tbd writes, and a reader that takes exactly that form.

`dumps` writes what npm's `yaml` package writes with folding off: block style, two spaces, quotes only where a plain
scalar would not read back as the same string. `loads` takes a text only if `dumps` of the result would give the same
bytes back, and declines everything else, which then goes to `core.loose`. No regular expressions and no imports: this
runs for every issue of every command.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BAD_FIRST = frozenset("\n\t ,[]{}#&*!|>'\"%@`")
_NOT_TEXT = "~|null|Null|NULL|true|True|TRUE|false|False|FALSE|.nan|.NaN|.NAN|.inf|.Inf|.INF"
_WORDS = frozenset((_NOT_TEXT + "|+.inf|+.Inf|+.INF|-.inf|-.Inf|-.INF").split("|"))
_ESCAPES = {ord(c): "\\" + e for c, e in zip('\0\a\b\t\n\v\f\r\x1b"\\', '0abtnvfre"\\', strict=True)}
_ESCAPES |= {c: f"\\x{c:02x}" for c in (*range(32), *range(127, 160)) if c not in _ESCAPES}
_NOT_AT_START = ("---", "...", "\ufeff")
_MAX_INDENT = 40  # as deep as core.loose goes
_UNESCAPES = {v[1]: chr(k) for k, v in _ESCAPES.items() if v[1] != "x"}

# whole lines that were read before, and what they say: most lines of most issues are among a few dozen
_seen: dict[str, tuple[str, Any, int]] = {}  # line -> key, value, indent
_keys: set[str] = set()  # keys that need no quotes
_SHORT, _MOST = 24, 2000  # characters of such a line; how many are kept


class Declined(Exception):
    """The text is not in the canonical form; it may well be good YAML."""


def dumps(data: dict[str, Any], indent: str = "") -> str:
    """A mapping of plain values (str, int, float, bool, None, lists and mappings of them) as lines, each ended."""
    return "".join([_pair(key, value, indent) for key, value in data.items()])


def _pair(key: str, value: Any, indent: str) -> str:
    name = indent + scalar(key, "", is_key=True) + ":"
    if not indent and name.startswith(_NOT_AT_START):
        name = f'"{key.translate(_ESCAPES)}":'  # else it would end the document, or vanish
    inner = indent + "  "
    if isinstance(value, (dict, list)) and value:
        return f"{name}\n{_block(value, inner)}"
    return f"{name} {_inline(value, inner)}\n"


def _block(value: dict[str, Any] | list[Any], indent: str) -> str:
    if isinstance(value, dict):
        return dumps(value, indent)
    inner = indent + "  "
    out = []
    for x in value:
        nested = isinstance(x, (dict, list)) and x
        out.append(f"{indent}- " + (_block(x, inner)[len(inner) :] if nested else _inline(x, inner) + "\n"))
    return "".join(out)


def _inline(value: Any, indent: str) -> str:
    if isinstance(value, str):
        return scalar(value, indent)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, float):
        return _number(value)
    return "{}" if value == {} else "[]" if value == [] else str(value)


def _number(value: float) -> str:
    """A float as JavaScript prints it: the same digits as Python's, other limits for the exponent."""
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else ".inf" if value > 0 else "-.inf"
    if value == int(value) and abs(value) < 1e16:
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    whole, _, fraction = mantissa.partition(".")
    power = int(exponent)
    if 0 < power < 21:
        return whole + fraction.ljust(power, "0")
    if -7 < power < 0:
        return "-" * (value < 0) + "0." + "0" * (-power - 1) + whole.lstrip("-") + fraction
    return f"{mantissa}e{power:+d}"


def scalar(text: str, indent: str, *, is_key: bool = False) -> str:
    """A string as it stands after `key: `; continuation lines of a literal block begin with `indent`."""
    if "\n" in text and not is_key and _fits_literal(text):
        return _literal(text, indent)
    if is_plain(text):
        return text
    if '"' in text and "'" not in text and not _has_control(text) and "\n" not in text:
        return "'" + text + "'"
    return '"' + text.translate(_ESCAPES) + '"'


def is_plain(text: str) -> bool:
    """True when the text may stand without quotes and reads back as the same string."""
    if not text:
        return False
    first = text[0]
    if first in _BAD_FIRST or text[-1] in "\n\t :":
        return False
    if (first == "-" or first == "?") and text[1:2] in ("", " ", "\t"):
        return False
    if (":" in text and (": " in text or ":\t" in text)) or ("#" in text and (" #" in text or "\t#" in text)):
        return False
    if not text.isprintable() and ("\n" in text or _has_control(text)):
        return False
    return not (first in "~nNtTfF.+-0123456789" and (text in _WORDS or _is_number(text)))


def _is_number(text: str) -> bool:
    """True for what YAML's core schema reads as a number."""
    if text[:2] in ("0x", "0o"):
        return _is_based(text)
    if text.strip("0123456789.eE+-") or "_" in text:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_based(text: str) -> bool:
    digits = "0123456789abcdefABCDEF" if text[1] == "x" else "01234567"
    return len(text) > 2 and not text[2:].strip(digits)


def _has_control(text: str) -> bool:
    """True when the text holds a control character other than tab and newline, or half a surrogate pair."""
    return any((c < " " and c not in "\t\n") or "\x7f" <= c <= "\x9f" or "\ud800" <= c <= "\udfff" for c in text)


def _fits_literal(text: str) -> bool:
    """A literal block holds no control characters, and its last line must not be blank but for its line end."""
    last = text[text.rindex("\n") + 1 :]
    blank = not text.strip(" \t\n") and text.strip("\n")
    return not blank and (not last or bool(last.strip(" \t"))) and not _has_control(text)


def _literal(text: str, indent: str) -> str:
    """A `|` block: `|-` without a final newline, `|` with one, `|+` with more; a leading space needs its width said."""
    body = text.rstrip("\n")
    ends = len(text) - len(body)
    header = "|2" if text.lstrip("\n")[:1] == " " else "|"
    header += "-" if not ends else "" if ends == 1 and body else "+"
    lines = text[: len(text) - 1 if ends else None].split("\n")
    # the first line is indented even when it is empty, as npm does
    return header + "\n" + "\n".join([indent + lines[0], *(indent + line if line else "" for line in lines[1:])])


def loads(text: str) -> dict[str, Any]:
    """The mapping that `dumps` would write as `text`; raises Declined for any other text."""
    if not text:
        return {}
    if text[-1] != "\n" or text.startswith(_NOT_AT_START) or "\n---" in text or "\n..." in text:
        raise Declined
    lines = text[:-1].split("\n")
    data, at = _read_map(lines, 0, "")
    if at != len(lines):
        raise Declined
    return data


def _read_map(lines: list[str], at: int, indent: str, first: str | None = None) -> tuple[dict[str, Any], int]:
    """Read pairs from line `at` while they stand at `indent`; `first` replaces the start of the first line."""
    data: dict[str, Any] = {}
    width = len(indent)
    if width >= _MAX_INDENT:
        raise Declined
    while at < len(lines):
        line = lines[at] if first is None else first
        first = None
        known = _seen.get(line)
        if known is not None and known[2] == width and known[0] not in data:
            data[known[0]] = known[1]
            at += 1
            continue
        if not line.startswith(indent) or line[width : width + 1] in (" ", ""):
            break
        name, colon, rest = line[width:].partition(":")
        if not colon or (rest and rest[0] != " "):
            raise Declined
        key = name if name in _keys else _read_key(name)
        if key in data:
            raise Declined
        at += 1
        if rest:
            data[key], at = _read_value(rest[1:], lines, at, indent + "  ")
            if len(line) <= _SHORT and rest[1:2] not in ("|", "[", "{") and len(_seen) < _MOST:
                _seen[line] = key, data[key], width
        else:
            data[key], at = _read_block(lines, at, indent + "  ")
    if not data:
        raise Declined
    return data, at


def _read_key(name: str) -> str:
    if not is_plain(name):
        return _read_quoted(name, is_key=True)
    if len(_keys) < _MOST:
        _keys.add(name)
    return name


def _read_block(lines: list[str], at: int, indent: str) -> tuple[Any, int]:
    if at == len(lines) or not lines[at].startswith(indent):
        raise Declined
    if not lines[at].startswith(indent + "- "):
        return _read_map(lines, at, indent)
    items: list[Any] = []
    inner = indent + "  "
    width = len(inner)
    if width > _MAX_INDENT:
        raise Declined
    while at < len(lines) and lines[at].startswith(indent + "- "):
        rest = lines[at][width:]
        if rest[:1] == "-" and rest[1:2] == " ":
            raise Declined  # a list in a list: rare enough for the other reader
        name, colon, after = rest.partition(":")
        if colon and after[:1] in ("", " ") and name[:1] not in ('"', "'") and (name in _keys or is_plain(name)):
            value, at = _read_map(lines, at, inner, inner + rest)
        else:
            value, at = _read_value(rest, lines, at + 1, inner)
        items.append(value)
    return items, at


def _read_value(text: str, lines: list[str], at: int, indent: str) -> tuple[Any, int]:
    """The value of `text`, which may go on in the lines from `at`, each beginning with `indent`."""
    if not text:
        raise Declined
    first = text[0]
    if first == "|":
        return _read_literal(text, lines, at, indent)
    if first == '"' or first == "'":
        return _read_quoted(text), at
    if first in "0123456789-" and len(text) < 16:
        digits = text[1:] if first == "-" else text
        if digits.isdigit() and digits.isascii() and (digits[0] != "0" or text == "0"):
            return int(text), at
    if is_plain(text):
        return text, at
    if text in _INLINE:
        made = _INLINE[text]
        return made() if made else None, at
    raise Declined


def _true() -> bool:
    return True


_INLINE: dict[str, Any] = {"null": None, "true": _true, "false": bool, "[]": list, "{}": dict}


def _read_quoted(text: str, *, is_key: bool = False) -> str:
    quote, inner = text[:1], text[1:-1]
    if len(text) < 2 or quote not in "\"'" or text[-1] != quote:
        raise Declined
    if quote == '"' and "\\" in inner:
        parts = inner.split("\\")
        out = [parts[0]]
        skip = False
        for part in parts[1:]:
            if skip:
                out.append(part)
                skip = False
            elif not part:
                out.append("\\")  # an escaped backslash: the next part follows it as it is
                skip = True
            elif part[0] == "x" and len(part) > 2 and not part[1:3].strip("0123456789abcdef"):
                out.append(chr(int(part[1:3], 16)) + part[3:])
            elif part[0] in _UNESCAPES:
                out.append(_UNESCAPES[part[0]] + part[1:])
            else:
                raise Declined
        inner = "".join(out)
    if scalar(inner, "", is_key=is_key) != text:
        raise Declined
    return inner


def _read_literal(header: str, lines: list[str], at: int, indent: str) -> tuple[str, int]:
    start = at
    width = len(indent)
    while at < len(lines) and (lines[at].startswith(indent) or not lines[at]):
        at += 1
    body = [line[width:] for line in lines[start:at]]
    text = "\n".join(body) if header[-1:] == "-" else "\n".join(body) + "\n"
    if "\n" not in text or scalar(text, indent) != "\n".join([header, *lines[start:at]]):
        raise Declined
    return text, at
