"""Cursors: opaque tokens that say what a reader has seen, whatever way it came.

Per journal the last contiguous seq with that line's CRC, and the same of ranges beyond a gap; the checkpoint it stands
on; the commit of the tracker.
"""

from __future__ import annotations

from binascii import Error, a2b_base64, b2a_base64

from tbdx.core.jsontext import dumps, loads
from tbdx.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tbdx.core.chain import Position

PREFIX = "c1."
_URL = bytes.maketrans(b"+/", b"-_")
_PLAIN = bytes.maketrans(b"-_", b"+/")


class Cursor:
    def __init__(self, journals: dict[str, Position], checkpoint: str = "", commit: str = "") -> None:
        self.journals, self.checkpoint, self.commit = journals, checkpoint, commit

    def token(self) -> str:
        rows: list[Any] = [[name, *place] for name, place in sorted(self.journals.items())]
        data = dumps([rows, self.checkpoint, self.commit]).encode()
        return PREFIX + b2a_base64(data, newline=False).rstrip(b"=").translate(_URL).decode()


def parse(token: str) -> Cursor:
    """The cursor of a token. Raises Usage for what is none."""
    try:
        if not token.startswith(PREFIX):
            raise ValueError
        data = token.removeprefix(PREFIX).encode().translate(_PLAIN)
        rows, checkpoint, commit = loads(a2b_base64(data + b"=" * (-len(data) % 4)).decode())
        journals: dict[str, Position] = {}
        for name, last, crc, ranges in rows:
            if not all(isinstance(n, int) for n in (last, *(x for run in ranges for x in run[:2]))):
                raise ValueError
            journals[str(name)] = (last, str(crc), [(a, b, str(end)) for a, b, end in ranges])
        return Cursor(journals, str(checkpoint), str(commit))
    except (ValueError, TypeError, Error, UnicodeError, RecursionError):
        raise Usage(f"not a cursor: {token[:60]}", hint="one is in the bookmark that ends every stream")
