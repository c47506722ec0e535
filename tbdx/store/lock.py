"""tbd's lock: a directory whose `owner/record` says who holds it. Every writer of tbd and of tbdx takes it.

A holder that died is recognised by its process id being gone on this host; for our own records also by boot, start time
and pid namespace, since process ids come round again and mean nothing in another container. Its lock is renamed away,
never deleted under anybody. The network is never used while holding it.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from tbdx.core.jsontext import dumps
from tbdx.errors import Disk, Locked, TbdxError
from tbdx.store import files
from tbdx.store.failpoint import reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT_S = 30.0  # how long a command waits for another writer
STALE_S = 1800.0  # tbd's own: a record older than this whose process is gone is dead
TOUCH_S = 60.0  # tbd's own: a holder shows that often that it lives
_TAKEN_AWAY = (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY)  # by one that saw no record yet and took it for an orphan's


class Lock:
    """Hold the directory at `path` as a context manager. Raises Locked after `wait_s`, Disk when it cannot be made."""

    def __init__(self, path: str, *, wait_s: float = WAIT_S) -> None:
        self.path = path
        self.wait_s = wait_s
        self.token = _uuid4()
        self.touched = 0.0

    def __enter__(self) -> Lock:
        files.make_folder(os.path.dirname(self.path))
        deadline = time.monotonic() + self.wait_s
        pause = 0.002
        try:
            while not self._take():
                self._break_dead()
                if time.monotonic() > deadline:
                    raise Locked(f"Failed to acquire lock at {self.path}: {self._who()}", hint="try again in a moment")
                time.sleep(pause)
                pause = min(pause * 1.5, 0.1)
        except BaseException:
            _remove(f"{self.path}.owner-{self.token}")
            raise
        self.touched = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_ours():
            gone = f"{self.path}.released-{self.token}"
            try:
                reach("lock.release")
                os.rename(self.path, gone)
            except OSError as e:  # the end of this process releases it
                raise Disk(f"cannot release the lock {self.path}: {e.strerror}", hint=files.hint_for(e))
            _remove(gone)

    def _is_ours(self) -> bool:
        try:
            return self.token.encode() in files.read(f"{self.path}/owner/record", 4096)
        except (OSError, TbdxError):
            return False

    def touch(self) -> None:
        """Show that the holder lives; call it from long loops."""
        if time.monotonic() - self.touched > TOUCH_S / 2:
            try:
                reach("lock.touch")
                os.utime(self.path)
            except OSError as e:
                raise Disk(f"cannot touch the lock {self.path}: {e.strerror}", hint=files.hint_for(e))
            self.touched = time.monotonic()

    def _take(self) -> bool:
        """One election: the record is prepared, mkdir decides, the record is moved in."""
        if _is_no_folder(self.path):
            raise Locked(f"Failed to acquire lock at {self.path}: it is not a folder", hint=f"look at {self.path}")
        prepared = f"{self.path}.owner-{self.token}"
        record = {"version": 1, "token": self.token, "host": os.uname().nodename, "pid": os.getpid()}
        record |= {"boot": _boot_id(), "started": _started(os.getpid()), "ns": _namespace()}
        try:
            if not os.path.isdir(prepared):
                reach("lock.prepare")
                os.mkdir(prepared)
                files.write(f"{prepared}/record", dumps(record).encode(), durable=False)
            else:
                os.utime(prepared)
            reach("lock.take")
            os.mkdir(self.path)
            try:
                reach("lock.own")
                os.rename(prepared, f"{self.path}/owner")
            except BaseException as e:
                if isinstance(e, OSError) and e.errno in _TAKEN_AWAY:
                    return False
                _quietly(os.rmdir, self.path)  # without a record nobody could tell that it is not held
                raise
        except FileExistsError:
            os.utime(prepared, (0, 0))  # one that waits: should it be killed, its record is no sign of an orphan
            return False
        except OSError as e:
            raise Disk(f"cannot take the lock {self.path}: {e.strerror}", hint=files.hint_for(e))
        return True

    def _break_dead(self) -> None:
        """Move the lock out of the way when its holder is provably dead."""
        try:
            taken_at = os.stat(self.path).st_mtime
        except FileNotFoundError:
            return
        record = read_record(f"{self.path}/owner") or read_record(f"{self.path}/owner/record")
        if record is None and not is_blank(f"{self.path}/owner/record"):
            left = None if os.path.lexists(f"{self.path}/owner") else self._left_behind(taken_at)
            if left is not None:
                _quietly(os.rmdir, self.path)  # succeeds only while it is empty
                if left:
                    _remove(left)  # last: it is all that tells of an orphan
            return
        if record and (not is_dead(record) or ("boot" not in record and time.time() - taken_at <= STALE_S)):
            return
        record = record or {}
        aside = f"{self.path}.stale-{_uuid4()}"
        try:
            reach("lock.break")
            os.rename(self.path, aside)
        except OSError:
            return
        moved = read_record(f"{aside}/owner/record") or read_record(f"{aside}/owner") or {}
        if moved.get("token") == record.get("token"):
            _remove(aside)
        else:  # somebody else took it between our look and our rename: give it back
            os.rename(aside, self.path)

    def _left_behind(self, taken_at: float) -> str | None:
        """The record of one of ours that was killed between mkdir and rename: prepared in the same second, and beside
        a lock without one. '' for a lock that is an orphan by tbd's old age rule, None for one that may be held."""
        if time.time() - taken_at > STALE_S:
            return ""
        for path in prepared_records(self.path):
            try:
                made_at = os.stat(path).st_mtime
            except OSError:
                continue
            left = f"{path}/record"
            if abs(made_at - taken_at) < 1 and (is_blank(left) or is_dead(read_record(left) or {})):
                return path
        return None

    def _who(self) -> str:
        """Who holds it, since when, and what to do: for a person that waited in vain."""
        record = read_record(f"{self.path}/owner/record") or read_record(f"{self.path}/owner") or {}
        try:
            age = f", touched {max(0, time.time() - os.stat(self.path).st_mtime):.0f} s ago"
        except OSError:
            age = ""
        if "pid" not in record:
            return f"held by a process that left no record{age}"
        pid, host = record["pid"], record.get("host", "an unknown host")
        here = host == os.uname().nodename and record.get("ns", _namespace()) == _namespace()
        command = _command(pid) if here and isinstance(pid, int) else ""
        return f"held by process {pid} on {host}{f' ({command})' if command else ''}{age}"


def read_record(path: str) -> dict[str, Any] | None:
    """What a lock's record file says; None when there is none or it cannot be read."""
    import json

    try:
        found = json.loads(files.read(path, 4096))
    except (OSError, ValueError, RecursionError, TbdxError):
        return None
    return found if isinstance(found, dict) else None


def is_blank(path: str) -> bool:
    """Whether a record is there without its content. It was written whole before its folder was moved in, so only a
    power loss can have emptied it, and nobody holds by it any more."""
    try:
        return not files.read(path, 4096).strip(b"\0")
    except (OSError, TbdxError):
        return False


def prepared_records(path: str) -> list[str]:
    """The records beside the lock at `path` that were prepared and never moved in: waiting processes, or dead ones."""
    folder, name = os.path.split(path)
    try:
        return sorted(f"{folder}/{x}" for x in os.listdir(folder) if x.startswith(f"{name}.owner-"))
    except OSError:
        return []


def is_dead(record: dict[str, Any]) -> bool:
    """True only when the holder provably runs no more: same host, and the process is gone or is another one."""
    pid = record.get("pid")
    if record.get("host") != os.uname().nodename or not isinstance(pid, int) or pid <= 0:
        return False
    if record.get("boot") and record["boot"] != _boot_id():
        return True
    if record.get("ns", _namespace()) != _namespace():
        return False  # its process ids mean nothing here
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    started = _started(pid)
    return bool(record.get("started") and started and record["started"] != started)


def _is_no_folder(path: str) -> bool:
    """True for a file or a link at `path`. One look: a lock may go away at any moment."""
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _boot_id() -> str:
    try:
        return files.read("/proc/sys/kernel/random/boot_id", 64).decode().strip()
    except (OSError, TbdxError):
        return ""


def _started(pid: int) -> str:
    """When the process began, in clock ticks since boot; '' where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def _namespace() -> str:
    """The pid namespace of this process; '' where the system has none."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return files.read(f"/proc/{pid}/cmdline", 200).replace(b"\0", b" ").decode("utf-8", "replace").strip()[:80]
    except (OSError, TbdxError):
        return ""


def _uuid4() -> str:
    n = bytearray(os.urandom(16))
    n[6] = n[6] & 0x0F | 0x40
    n[8] = n[8] & 0x3F | 0x80
    h = n.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def _remove(folder: str) -> None:
    """Delete a lock folder that is ours: its record, its owner folder, itself."""
    for path in (f"{folder}/owner/record", f"{folder}/record"):
        _quietly(os.unlink, path)
    for path in (f"{folder}/owner", folder):
        _quietly(os.rmdir, path)


def _quietly(remove: Callable[[str], None], path: str) -> None:
    try:
        reach("lock.clear")
        remove(path)
    except OSError:
        return
