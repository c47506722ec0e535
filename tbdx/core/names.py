"""The text of ids.yml, `short: ulid` a row: one row found or added by its bytes, or all of them read.

A command that names one issue of ten thousand must not read ten thousand rows. What the byte functions cannot vouch for
they decline, and the whole table, healed by `ids.repair`, has the word.
"""

from __future__ import annotations

from tbdx.core.canon import dumps, scalar
from tbdx.core.ids import BASE36, is_key, is_ulid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_AS_KEYS = bytes(32 if c == 58 else c for c in range(256))  # `:` as a blank, which sorts before all that a key may hold
_TRIES = 50  # places that hold a short id, most of them within other words, before it is left to the table
_QUOTES = b"\"'"
_IN_ROWS = f"{BASE36}._-: '\"\n".encode()


def parse(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """(rows as (short, ulid), a complaint for each line that is none)."""
    rows, said = [], []
    for n, line in enumerate(text.split("\n"), 1):
        key, colon, value = line.partition(": ")
        value = value.strip(" \t\r\"'")
        key = key.strip("\"'")
        if colon and is_key(key) and is_ulid(value):
            rows.append((key, value))
        elif line.strip() not in ("", "{}") and not line.startswith("#"):
            said.append(f"ids.yml:{n}: not a row of short id and ULID")
    return rows, said


def render(names: Mapping[str, str]) -> str:
    """ids.yml as tbd writes it, in string order."""
    return dumps({short: names[short] for short in sorted(names)})


def ulid_of(data: bytes, short: str) -> str | None:
    """The ULID in the one row of a short id; None when there is no such row, or it takes the whole table to tell."""
    key, found = short.encode(), ""
    at = data.find(key)
    for _ in range(_TRIES):
        if at < 0:
            return found if found and is_ulid(found) else None
        end = data.find(b"\n", at)
        name, _, value = data[data.rfind(b"\n", 0, at) + 1 : end].partition(b": ")
        if name.strip(_QUOTES) == key:
            if found or end < 0:
                return None
            found = value.decode("latin-1")
        at = data.find(key, end) if end >= 0 else -1
    return None


def short_of(data: bytes, ulid: str) -> str | None:
    """The short id in the one row of a ULID; None when there is no such row, or it takes the whole table to tell."""
    value = ulid.encode()
    at = data.find(b": " + value + b"\n")
    if at < 0 or data.count(value) != 1:
        return None
    short = data[data.rfind(b"\n", 0, at) + 1 : at].decode("utf-8", "replace").strip("\"'")
    return short if is_key(short) and ulid_of(data, short) == ulid else None


def insert(data: bytes, short: str, ulid: str) -> bytes | None:
    """ids.yml with one more row in its place; None when it holds other things than rows in order."""
    if data[-1:] != b"\n" or data.translate(None, _IN_ROWS):
        return None
    if not data.count(b": ") == data.count(b" ") == data.count(b"\n"):
        return None
    rows = data[:-1].translate(_AS_KEYS, _QUOTES).split(b"\n")
    if rows != sorted(rows):
        return None
    from bisect import bisect_left

    after, at = bisect_left(rows, f"{short}  {ulid}".encode()), len(data)
    if after < len(rows):  # before the row that follows, which its ULID finds, unless two rows have that
        start = data.find(rows[after][-26:])
        at = data.rfind(b"\n", 0, start) + 1
        if data[at : start + 26].translate(_AS_KEYS, _QUOTES) != rows[after]:
            return None
    return data[:at] + f"{scalar(short, '', is_key=True)}: {scalar(ulid, '')}\n".encode() + data[at:]
