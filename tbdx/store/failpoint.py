"""Named points just before every change to the disk or to git, where a test stops us as a crash or a full disk would.

    TBDX_FAILPOINT=name[:n]=kill|EIO|ENOSPC    at the n-th time that the point is reached, the first unless said

`tests/crash` enumerates the points; a test keeps every change behind one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

hook: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Come to the point of that name. Raises OSError when a test asked for it."""
    if hook is not None:
        hook(name)


def arm(text: str) -> None:
    """Do what TBDX_FAILPOINT says. Raises Usage."""
    import errno
    import os
    import signal

    from tbdx.errors import Usage

    global hook
    where, _, what = text.rpartition("=")
    name, _, nth = where.partition(":")
    if what not in ("kill", "EIO", "ENOSPC") or not name or not (nth or "1").isdigit():
        raise Usage(f"TBDX_FAILPOINT is name[:n]=kill|EIO|ENOSPC, not {text!r}")
    left = int(nth or 1)

    def stop(reached: str) -> None:
        nonlocal left
        left -= reached == name
        if reached == name and left == 0:
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            number = getattr(errno, what)
            raise OSError(number, os.strerror(number))

    hook = stop
