"""Stopping tbdx at a failpoint within this process, as SIGKILL or a failing disk would stop another one.

A killed command must not tidy up on its way out: from the kill on, every further change it tries raises again, before
it happens. What it held is then the lock of a dead process, although this one lives.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tbdx.store import failpoint
from tbdx.store import lock as locks


class Killed(BaseException):
    """The process is gone; nothing may catch this but the test."""


_dead: set[str] = set()  # tokens of locks whose holder was killed here
_alive = locks.is_dead


def _is_dead(record: dict[str, object]) -> bool:
    return record.get("token") in _dead or _alive(record)


locks.is_dead = _is_dead  # type: ignore[assignment]


class Stop:
    """A hook for `failpoint.hook`: stop when `wants(name)` says how: 'kill', 'EIO', 'ENOSPC', or '' to go on."""

    def __init__(self, wants: Callable[[str], str]) -> None:
        self.wants = wants
        self.dead = False
        self.reached: list[str] = []

    def __call__(self, name: str) -> None:
        if self.dead:
            raise Killed(name)
        self.reached.append(name)
        how = self.wants(name)
        if how == "kill":
            self.dead = True
            raise Killed(name)
        if how:
            number = getattr(errno, how)
            raise OSError(number, os.strerror(number))


@contextmanager
def stopping(wants: Callable[[str], str]) -> Iterator[Stop]:
    """Run what follows with failpoints that stop it; a kill ends the block, and is no error. Either way the process
    that ran it counts as ended afterwards, with the locks that it still holds."""
    stop = Stop(wants)
    taken: list[str] = []
    enter = locks.Lock.__enter__

    def noting(self: locks.Lock) -> locks.Lock:
        taken.append(self.token)
        return enter(self)

    before, failpoint.hook = failpoint.hook, stop
    locks.Lock.__enter__ = noting  # type: ignore[method-assign]
    try:
        yield stop
    except Killed:
        pass
    finally:
        _dead.update(taken)
        failpoint.hook = before
        locks.Lock.__enter__ = enter  # type: ignore[method-assign]


def at(name: str, n: int, how: str) -> Callable[[str], str]:
    """Stop at the n-th time, from 1, that the point is reached."""
    left = [n]

    def wants(reached: str) -> str:
        left[0] -= reached == name
        return how if reached == name and left[0] == 0 else ""

    return wants
