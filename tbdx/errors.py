"""Every failure tbdx reports, as one tree.

    TbdxError            1  error          something did not work
    ├── Usage            2  usage          the command line itself is wrong
    ├── Invalid          2  invalid        a value is wrong; nothing was written
    ├── NotFound         1  not_found      no such issue, workspace, commit, entry
    │   └── Unknown      1  not_found      an id that no mapping knows, where tbd's JSON error has no type
    ├── NotInitialized   1  not_initialized  no .tbd/config.yml here or above
    ├── BadFormat        1  format         the repository is stamped newer (or older) than we write
    ├── Unsupported      1  unsupported    the repository's format cannot hold what was asked for
    ├── BadFile          1  bad_file       a file's content is damaged: path, line, reason
    ├── Locked           1  locked         another process holds the lock, and the wait has ended
    ├── Disk             1  disk           the file system refused
    ├── Git              1  git            git refused or is missing
    ├── Sync             1  sync           part of the sync was withheld or could not be merged
    ├── NotPublished     6  not_published  everything is kept here, nothing is lost, the remote lacks it
    ├── NotYours         1  not_addressed  a message that is to others, who are named
    ├── Held             4  held           somebody else has it, who is named
    ├── Stale            4  stale          the entity's version is not the one the caller named
    ├── Gone             5  cursor_gone    what the cursor is past was compacted: go on from a checkpoint
    └── Nothing          3  nothing        nothing matched, or the time was up

    An interruption is no error of ours: 130.

The number is the exit code, the word the stable `code` of the JSON form, `type` is the class name that tbd prints.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class TbdxError(Exception):
    exit_code = 1
    code = "error"
    type: str | None = "CLIError"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def facts(self) -> dict[str, object]:
        """What a program may want to know beyond the message: plain JSON values."""
        return {}


class Usage(TbdxError):
    exit_code, code, type = 2, "usage", "UsageError"


class Invalid(TbdxError):
    exit_code, code, type = 2, "invalid", "ValidationError"


class NotFound(TbdxError):
    code = "not_found"
    type: str | None = "NotFoundError"


class Unknown(NotFound):
    """As NotFound, where tbd gives its error no type."""

    type = None


class NotInitialized(TbdxError):
    code, type = "not_initialized", "NotInitializedError"


class BadFormat(TbdxError):
    code, type = "format", None


class Unsupported(TbdxError):
    code = "unsupported"


class BadFile(TbdxError):
    """A file whose content cannot be used. `line` counts from 1, 0 when no line is to blame."""

    code, type = "bad_file", None

    def __init__(self, reason: str, *, path: str = "", line: int = 0, hint: str | None = None) -> None:
        self.reason, self.path, self.line = reason, path, line
        super().__init__(describe_bad(path, line, reason), hint=hint)

    def at(self, path: str) -> BadFile:
        """The same complaint about a named file."""
        return BadFile(self.reason, path=path, line=self.line, hint=self.hint)

    def facts(self) -> dict[str, object]:
        return {"path": self.path, "line": self.line}


def describe_bad(path: str, line: int, reason: str) -> str:
    where = f"{path}:{line}" if path and line else path or (f"line {line}" if line else "")
    return f"{where}: {reason}" if where else reason


class Locked(TbdxError):
    code, type = "locked", "LockError"


class Disk(TbdxError):
    code, type = "disk", "DiskError"


class Git(TbdxError):
    """`reason` tells kinds of failure apart: 'timeout', 'unreachable', 'moved' (a ref was not where it was thought to
    be), 'damaged' (an object), '' for any other."""

    code, type = "git", "GitError"

    def __init__(self, message: str, *, hint: str | None = None, reason: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class Sync(TbdxError):
    code, type = "sync", "SyncError"


class NotPublished(Sync):
    exit_code, code = 6, "not_published"


class NotYours(TbdxError):
    code, type = "not_addressed", "NotAddressedError"

    def __init__(self, message_id: str, recipients: Sequence[str], reader: str) -> None:
        to = ", ".join(recipients[:5]) + (f" and {len(recipients) - 5} more" if len(recipients) > 5 else "")
        super().__init__(f"{message_id} is to {to or 'nobody'}, not to {reader}", hint="--as NAME says who you are")
        self.message_id, self.recipients = message_id, list(recipients)

    def facts(self) -> dict[str, object]:
        return {"message_id": self.message_id, "recipients": self.recipients}


class Held(TbdxError):
    exit_code, code, type = 4, "held", "HeldError"

    def __init__(self, message: str, holder: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.holder = holder

    def facts(self) -> dict[str, object]:
        return {"holder": self.holder}


class Stale(TbdxError):
    exit_code, code = 4, "stale"


class Gone(TbdxError):
    exit_code, code = 5, "cursor_gone"


class Nothing(TbdxError):
    exit_code, code = 3, "nothing"
