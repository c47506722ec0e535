"""One command's call: its options, its kernel, its output. Command functions take nothing else."""

from __future__ import annotations

import os
import sys
import time

from tbdx.cli.output import Out
from tbdx.errors import TbdxError
from tbdx.kernel import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Call:
    """`opts` holds every option of the command under its name, None, False or () where it was not given."""

    def __init__(self, opts: dict[str, Any], out: Out, *, dry: bool = False, debug: bool = False) -> None:
        self.opts, self.out, self.dry, self.debug = opts, out, dry, debug
        self._kernel: Kernel | None = None

    def __getitem__(self, name: str) -> Any:
        return self.opts[name]

    @property
    def json(self) -> bool:
        return self.out.json

    @property
    def kernel(self) -> Kernel:
        if self._kernel is None:
            watched = not self.out.quiet and not self.out.json and os.isatty(2)
            self._kernel = Kernel(
                working_folder(),
                os.environ,
                now_ms=now_ms,
                entropy=entropy,
                say=self.out.say,
                progress=self.out.progress if watched else None,
                actor=self.opts.get("as_"),
            )
        return self._kernel

    def finish(self) -> None:
        """What follows a command that went well: publishing, where the repository's settings ask for it."""
        k = self._kernel
        if k is not None and k.wrote and k.config.auto_sync:
            from tbdx.kernel.outbox import sync_after

            sync_after(k)

    def result(self, value: Any, text: str) -> None:
        """Print the JSON form or the text form of the same facts."""
        if self.json:
            self.out.data(value)
        else:
            self.out.text(self.with_ids(text))

    def done(self, value: Any, text: str) -> None:
        """The same for a change: JSON, or a success line that --quiet leaves out."""
        if self.json:
            if value is not None:
                self.out.data(value)
        else:
            self.out.success(self.with_ids(text))

    def would(self, action: str, **details: Any) -> None:
        """What a dry run says."""
        if self.json:
            self.out.data({"dryRun": True, "action": action, **details}, None)
        else:
            self.out.text(f"[DRY-RUN] {action}")

    def with_ids(self, text: str) -> str:
        """With --debug, internal ids beside the short ones."""
        if not self.debug or self._kernel is None:
            return text
        import re

        names, prefix = self._kernel.names.ulid_of, self._kernel.config.prefix

        def both(match: re.Match[str]) -> str:
            of = names.get(match[1])
            return f"{match[0]} (is-{of})" if of else match[0]

        return re.sub(rf"(?<![\w.-]){re.escape(prefix)}-([0-9a-z._-]*[0-9a-z_])", both, text)

    def body(self, inline: str | None, path: str | None, names: tuple[str, str]) -> str | None:
        """A text given inline (`-` is stdin) or as a file's path; None when neither is. `names` are the two options."""
        if inline is not None and path is not None:
            raise TbdxError(f"Use either {names[0]} or {names[1]}, not both.")
        if inline == "-" or path == "-":
            return read_stdin()
        if path is not None:
            try:
                with open(path, "rb") as f:
                    return f.read().decode("utf-8")
            except (OSError, UnicodeDecodeError) as e:
                raise TbdxError(f"Failed to read {names[1]}: {path}: {getattr(e, 'strerror', None) or 'not UTF-8'}")
        return inline


def working_folder() -> str:
    try:
        return os.getcwd()
    except OSError as e:
        raise TbdxError(f"the working folder is gone, or may not be read: {e.strerror}", hint="cd to one that is there")


def read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except (UnicodeDecodeError, OSError, AttributeError) as e:
        raise TbdxError(f"cannot read standard input: {getattr(e, 'strerror', None) or 'not UTF-8'}")


def now_ms() -> int:
    """The clock of every command; tests put another one here."""
    return time.time_ns() // 1_000_000


entropy = os.urandom


def limited(text: str | None) -> int | None:
    """--limit as a number; what is not a positive one means no limit, as in tbd."""
    try:
        n = int(text or "")
    except ValueError:
        return None
    return n if n > 0 else None
