"""Journals on disk: JSON Lines, one writer a journal, in segments that seal; this clone's own, and what was fetched.

    journal/<writer>.jsonl, journal/<writer>/<first seq>.jsonl      our own: durable truth
    journal/<writer>.retired                                        it takes no more events
    journal/carried/<writer>/<first>-<last>-<digest8>.jsonl         brought by import or a bundle
    journal/torn/…                                                  ends of lines that a crash cut short
    cache/coord/…                                                   what the coordination branch holds, path for path

A line without its end is a write cut short: readers stop before it, and the owner moves it aside. Appending is one
write, flushed, under the clone's coordination lock.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from zlib import crc32

from tbdx.core.event import LONGEST, is_writer, parse_object, segment
from tbdx.errors import BadFile, Disk, Locked
from tbdx.store import failpoint, files
from tbdx.store.failpoint import reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tbdx.store.layout import Repo

SEAL = 64 * 1024  # bytes; a segment of so many takes no more lines
TAKEN = "coord.taken"  # the cache's note of the commit whose files `branch_copy` has
BESIDE = ("carried", "torn", "local")  # folders beside the journals, of other things
WAIT_S = 30.0  # how long a command waits for another one that writes events
_TAIL = 4096  # bytes that are read at first to find a segment's last line


def own(repo: Repo) -> str:
    return f"{repo.own}/journal"


def branch_copy(repo: Repo) -> str:
    """Where the coordination branch's files are, below `.coord/`, as last taken in."""
    return f"{repo.own}/cache/coord"


class Lock:
    """The clone's coordination lock: a file that the system unlocks when its holder ends. Always after tbd's lock."""

    def __init__(self, repo: Repo, *, wait_s: float = WAIT_S) -> None:
        self.path, self.wait_s, self.fd = f"{repo.own}/coord.lock", wait_s, -1

    def __enter__(self) -> None:
        try:
            reach("coord.lock")
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            files.make_folder(os.path.dirname(self.path))
            return self.__enter__()
        except OSError as e:
            raise Disk(f"cannot open {self.path}: {e.strerror}", hint=files.hint_for(e))
        try:
            self._wait(fd)
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd

    def _wait(self, fd: int) -> None:
        deadline, pause = time.monotonic() + self.wait_s, 0.001
        while True:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Locked(f"another process writes events here for {self.wait_s:.0f} s", hint="try again")
                time.sleep(pause)
                pause = min(pause * 1.5, 0.05)
            except OSError as e:
                raise Disk(f"cannot lock {self.path}: {e.strerror}")

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)


class End:
    """Where a journal ends: its open segment, bytes of whole lines in it, bytes after them; and its last line's seq,
    event id and CRC, as that of the last line that can be read is."""

    __slots__ = ("crc", "event_id", "is_sound", "path", "seq", "size", "torn")

    def __init__(self, path: str) -> None:
        self.path = path
        self.size = self.torn = self.seq = 0
        self.event_id = ""
        self.crc = 0
        self.is_sound = True  # whether the last whole line can be read


def segments(folder: str, writer: str) -> list[tuple[int, str]]:
    """(first seq, path) of a journal's segments, in order."""
    out = []
    if os.path.lexists(f"{folder}/{writer}.jsonl"):
        out.append((1, f"{folder}/{writer}.jsonl"))
    try:
        names = os.listdir(f"{folder}/{writer}")
    except (FileNotFoundError, NotADirectoryError):
        return out
    except OSError as e:
        raise Disk(f"cannot list {folder}/{writer}: {e.strerror}")
    firsts = sorted(int(name[:-6]) for name in names if is_segment(name))
    return out + [(first, f"{folder}/{segment(writer, first)}") for first in firsts]


def is_segment(name: str) -> bool:
    """True for the file name of a later segment."""
    return name[-6:] == ".jsonl" and name[:-6].isdecimal() and name[0] != "0" and len(name) < 24 and name != "1.jsonl"


def writers(folder: str) -> list[str]:
    """The writers that have a journal in a folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as e:
        raise Disk(f"cannot list {folder}: {e.strerror}")
    found = {name.removesuffix(".jsonl") for name in names if name.count("~") == 1}
    return sorted(name for name in found if is_writer(name))


def is_retired(repo: Repo, writer: str) -> bool:
    return os.path.lexists(f"{own(repo)}/{writer}.retired")


def retire(repo: Repo, writer: str) -> None:
    """Let a journal of ours take no more events. Raises Disk."""
    files.write(f"{own(repo)}/{writer}.retired", b"", scratch=repo.scratch)


def end(folder: str, writer: str) -> End | None:
    """Where a journal ends; None where there is none. Raises BadFile, Disk."""
    found = segments(folder, writer)
    if not found:
        return None
    out = end_of(found[-1][1])
    if not out.size and len(found) > 1:  # a crash came before its first line: the one before still ends the journal
        before = end_of(found[-2][1])
        out.seq, out.event_id, out.crc, out.is_sound = before.seq, before.event_id, before.crc, before.is_sound
    return out


def end_of(path: str) -> End:
    """The same for a segment."""
    out = End(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise Disk(f"cannot read {path}: {e.strerror}")
    try:
        size = os.fstat(fd).st_size
        want = _TAIL
        while True:
            data = os.pread(fd, want, max(0, size - want))
            last = data.rfind(b"\n") + 1
            start = data.rfind(b"\n", 0, last - 1) + 1 if last else 0
            if want >= size or (last and start):
                break
            want *= 8
    except OSError as e:
        raise Disk(f"cannot read {path}: {e.strerror}")
    finally:
        os.close(fd)
    out.torn = len(data) - last
    out.size = size - out.torn
    if last:
        line = data[start : last - 1]
        out.crc = crc32(line)
        try:
            event = parse_object(line)
            out.seq, out.event_id = int(event["seq"]), str(event["event_id"])
        except (BadFile, KeyError, ValueError, TypeError):
            out.is_sound = False
    return out


def agent_of(path: str) -> str | None:
    """The agent whose a journal is: the actor of its first line; None where that cannot be read."""
    try:
        first = files.read(path, _TAIL)
        if b"\n" not in first:
            first = files.read(path, LONGEST)
        found = parse_object(first.partition(b"\n")[0])["actor"]["agent_id"]
    except (OSError, BadFile, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def pieces(at: End | None, lines: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
    """(first seq of the segment, its size so far, what is added to it) of lines that are added to a journal which ends
    as `at` says: a new segment is begun where the open one is sealed. A first seq of 0 is the open one's."""
    size, seq, first = (at.size, at.seq, 0) if at else (0, 0, 1)
    left, out = list(lines), list[tuple[int, int, bytes]]()
    while left:
        if size >= SEAL:
            first, size = seq + 1, 0
        n, room = 0, SEAL - size
        while n < len(left) and room > 0:
            room -= len(left[n])
            n += 1
        out.append((first, size, b"".join(left[:n])))
        size += len(out[-1][2])
        seq += n
        left = left[n:]
    return out


def append(repo: Repo, writer: str, at: End | None, lines: Sequence[bytes]) -> None:
    """Add whole lines to a journal of ours that ends as `at` says, and flush them. Called under the lock. Raises Disk.

    One write a segment.
    """
    folder = own(repo)
    if at is None:
        files.make_folder(folder)
    elif at.torn:
        _move_torn(repo, writer, at)
    done = list[tuple[str, int]]()
    try:
        for first, size, data in pieces(at, lines):
            path = f"{folder}/{segment(writer, first)}" if first or at is None else at.path
            if first > 1:
                files.make_folder(f"{folder}/{writer}")
            done.append((path, size))
            _append(path, data, is_new=size == 0)
    except Disk:  # what the caller is told not to be there must not be
        for path, size in reversed(done):
            _take_back(path, size)
        raise


def _append(path: str, data: bytes, *, is_new: bool) -> None:
    try:
        reach("journal.append")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if failpoint.hook is not None:  # a test may stop us in the middle
                data = data[os.write(fd, data[: len(data) // 2]) :]
                reach("journal.torn")
            if os.write(fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            reach("journal.flush")
            os.fsync(fd)
        finally:
            os.close(fd)
        if is_new:
            files.sync_folder(os.path.dirname(path))
    except OSError as e:
        raise Disk(f"cannot append to {path}: {e.strerror}", hint=files.hint_for(e))


def _take_back(path: str, size: int) -> None:
    """Cut a file to what it was before an append that failed."""
    try:
        reach("journal.take_back")
        if size:
            os.truncate(path, size)
        else:
            os.unlink(path)
    except OSError:
        return  # the first error is told; what is left over is an event that nobody was told of


def _move_torn(repo: Repo, writer: str, at: End) -> None:
    """Put the end of a line that a crash cut short aside, and take it out of the journal."""
    with open(at.path, "rb") as f:
        f.seek(at.size)
        rest = f.read(at.torn)
    name = f"{os.path.basename(at.path)}.{at.size}.{os.urandom(3).hex()}"
    files.make_folder(f"{own(repo)}/torn/{writer}")
    files.write(f"{own(repo)}/torn/{writer}/{name}", rest, scratch=repo.scratch)
    try:
        reach("journal.cut")
        os.truncate(at.path, at.size)
    except OSError as e:
        raise Disk(f"cannot write {at.path}: {e.strerror}", hint=files.hint_for(e))


def keep(repo: Repo, name: str, data: bytes) -> None:
    """Write a small file of the cache in one write, if it can be; it is never needed."""
    path = f"{repo.own}/cache/{name}"
    try:
        reach("cache.keep")
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        try:
            files.make_folder(os.path.dirname(path))
        except Disk:
            return
        return keep(repo, name, data)
    except OSError:
        return
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
    except OSError:
        pass
    finally:
        os.close(fd)


def taken(repo: Repo) -> str | None:
    """The commit of the coordination branch whose files `branch_copy` has."""
    try:
        return files.read(f"{repo.own}/cache/{TAKEN}", 100).decode("ascii", "replace")
    except (FileNotFoundError, BadFile):
        return None


# reading


def read(path: str, start: int = 0) -> bytes:
    """The whole lines of a file from an offset on; b'' when there are none, or no such file. Raises BadFile, Disk."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    except OSError as e:
        raise Disk(f"cannot read {path}: {e.strerror}")
    try:
        size = os.fstat(fd).st_size
        data = os.pread(fd, size - start, start) if size > start else b""
    except OSError as e:
        raise Disk(f"cannot read {path}: {e.strerror}")
    finally:
        os.close(fd)
    return data[: data.rfind(b"\n") + 1]


def carried(folder: str) -> list[tuple[str, str]]:
    """(writer or fork, path) of the carried files below a folder, in order; what has no such name is stepped over."""
    out = []
    for rel, odd in files.walk(f"{folder}/carried"):
        writer, _, name = rel.partition("/")
        if not odd and is_carried(writer, name):
            out.append((writer, f"{folder}/carried/{rel}"))
    return out


def is_carried(writer: str, name: str) -> bool:
    """Whether `<writer>/<first>-<last>-<digest8>.jsonl` names a carried file; a fork's lines may lie under its name."""
    from tbdx.core.union import CARRIED, place

    return place(f"{CARRIED}{writer}/{name}") is not None
