"""The one way out: everything that tbdx prints passes here, so that no text in a clone can steer a terminal.

Data go to stdout, words to stderr. In text every control character, escape, bidi and zero-width mark is made visible;
in JSON the same ones are escaped. What a reader that closed the pipe does not take is dropped quietly.
"""

from __future__ import annotations

import os
import sys
import time

from tbdx.core.jsontext import HIDDEN, is_plain, safe_dumps
from tbdx.errors import Disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, NoReturn

_VISIBLE: dict[int, str] = {}  # made when first needed: most text is plain
FIRST_S, PROGRESS_S = 0.5, 0.1  # a wait worth telling of; how often it is told
_COLOURS = {"✓": "32", "✗": "31", "⚠": "33", "◐": "36", "●": "31", "○": "2"}


def visible(text: str) -> str:
    """Text for a terminal or a file: whatever could steer one is shown instead."""
    if is_plain(text):
        return text
    if not _VISIBLE:
        _VISIBLE.update({c: _shown(c) for some in HIDDEN for c in some})
    return text.translate(_VISIBLE)


def _shown(c: int) -> str:
    return f"\\x{c:02x}" if c < 256 else f"\\u{c:04x}" if c < 65536 else f"\\U{c:08x}"


def one_line(text: str) -> str:
    """Text for a row of a table: its line ends are shown, too."""
    return text.replace("\n", "\\n").replace("\t", " ")


class Out:
    """Where one command's output goes. `colour` is decided for stdout; errors are never coloured when it is not."""

    def __init__(self, *, json: bool = False, quiet: bool = False, verbose: bool = False, colour: bool = False) -> None:
        self.json, self.quiet, self.verbose, self.colour = json, quiet, verbose, colour
        self._shown_at = time.monotonic() - PROGRESS_S + FIRST_S  # nothing is shown of what is quickly done
        self._line = False  # whether a line of progress stands on the terminal

    def progress(self, text: str) -> None:
        """What a person sees on a terminal while they wait: one line, over and over."""
        now = time.monotonic()
        if now - self._shown_at > PROGRESS_S:
            self._shown_at, self._line = now, True
            _write(2, f"\r{visible(one_line(text))[:78]}\x1b[K")

    def clear(self) -> None:
        """Take the line of progress away."""
        if self._line:
            self._line = False
            _write(2, "\r\x1b[K")

    def text(self, text: str) -> None:
        """Lines of a result."""
        self.clear()
        _write(1, self._paint(visible(text)) + "\n")

    def lines(self, lines: Iterable[str]) -> None:
        """Many lines of a result, a few hundred in one write."""
        some: list[str] = []
        for line in lines:
            some.append(line)
            if len(some) == 500:
                self.text("\n".join(some))
                some = []
        if some:
            self.text("\n".join(some))

    def data(self, value: Any, indent: int | None = 2) -> bool:
        """A result as one JSON document; False when nobody reads it."""
        self.clear()
        return _write(1, safe_dumps(value, indent) + "\n")

    def aside(self, value: Any) -> None:
        """A result on one line of stderr, where stdout carries something else."""
        _write(2, safe_dumps(value, None) + "\n")

    def line(self, raw: bytes, value: Any) -> None:
        """A line whose bytes matter, to a file or another program; a terminal is shown its value."""
        self.clear()
        _write_bytes(1, safe_dumps(value, None).encode() + b"\n" if os.isatty(1) else raw + b"\n")

    def raw(self, pieces: Iterable[bytes]) -> None:
        """Bytes as they are, to a file or another program; until nobody takes them any more."""
        self.clear()
        for piece in pieces:
            if not _write_bytes(1, piece):
                return

    def rows(self, rows: list[bytes]) -> None:
        """A list as one JSON document, its rows rendered by `safe_dumps` already."""
        for n in range(0, len(rows), 500):  # in pieces, so that a long list is not held twice
            if not _write_bytes(1, (b",\n" if n else b"[\n") + b",\n".join(rows[n : n + 500])):
                return
        _write_bytes(1, b"\n]\n" if rows else b"[]\n")

    def success(self, text: str) -> None:
        if not self.json and not self.quiet:
            self.text(f"✓ {text}")

    def notice(self, text: str) -> None:
        """News about the result, with it."""
        if not self.json and not self.quiet:
            self.text(f"• {text}")

    def say(self, level: str, text: str) -> None:
        """What the kernel tells on the way: 'notice' or 'warn', on stderr."""
        self.clear()
        if self.json:
            _write(2, safe_dumps({"notice" if level == "notice" else "warning": text}, None) + "\n")
        elif not self.quiet:
            mark = "• " if level == "notice" else "" if text.startswith("Skipping") else "⚠ "
            _write(2, visible(mark + text) + "\n")

    def error(self, text: str) -> None:
        self.clear()
        _write(2, visible(text) + "\n")

    def problem(self, value: dict[str, Any]) -> None:
        """An error as one line of JSON."""
        _write(2, safe_dumps(value, None) + "\n")

    def _paint(self, text: str) -> str:
        if self.colour:
            for mark, code in _COLOURS.items():
                text = text.replace(mark, f"\x1b[{code}m{mark}\x1b[0m")
        return text


def _write(fd: int, text: str) -> bool:
    return _write_bytes(fd, text.encode("utf-8", "backslashreplace"))


def _write_bytes(fd: int, text: bytes) -> bool:
    """Whether somebody reads it: a reader that has gone makes no other result of a command than it has."""
    data = memoryview(text)
    try:
        while data:
            data = data[os.write(fd, data) :]
    except BrokenPipeError:
        return False
    except OSError as e:
        if fd == 1:
            raise Disk(f"cannot write the output: {e.strerror}")
    return True


def leave(code: int) -> NoReturn:
    """End the process.

    Python's own way out takes every object apart first, for a tenth of what a hot command costs. Nothing of ours waits
    for it: output is written at once, and files are closed where they are used.
    """
    for stream in (sys.stdout, sys.stderr):  # what a library may have printed
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # closed by the caller
    os._exit(code)


def colour_wanted(when: str, env: dict[str, str]) -> bool:
    """--color: always and never say it; auto looks at the terminal and NO_COLOR."""
    if when in ("always", "never"):
        return when == "always"
    return not env.get("NO_COLOR") and os.isatty(1)
