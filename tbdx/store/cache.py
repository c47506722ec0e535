"""Files of checked sections under `.git/tbdx/cache/`, and the look at the tracker's files that tells what they know.

They are derived and never needed: what cannot be read, or does not fit, counts as absent, and what cannot be written
is not. What is kept of a file is trusted only while its inode, size and change time are those that were seen before it
was read; and a file that had changed just then is not trusted at all, as its next change might show the same time.
"""

from __future__ import annotations

import marshal
import os
import sys
import time
from zlib import crc32

from tbdx.errors import Disk
from tbdx.store import files
from tbdx.store.failpoint import reach
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

SETTLED_NS = 20_000_000  # a change time may stand still that long: ticks of the kernel's clock
_FIRM = 2  # the marshal version that writes equal values as equal bytes
_MAGIC = b"tbdx cache 2 %x %x\n" % (sys.hexversion, marshal.version)
_HEAD = len(_MAGIC) + 24  # and where the table of the sections is: offset, bytes, checksum


class Seen:
    """The issue files of one moment, as the system lists them: names; inodes, sizes and change times in ns."""

    def __init__(self, at_ns: int, names: list[str], stats: list[int]) -> None:
        self.at_ns, self.names, self.stats = at_ns, names, stats

    def settled(self) -> list[int]:
        """The stats to keep: a file that had changed just then gets a change time that no look will find."""
        limit = self.at_ns - SETTLED_NS
        return [n if place % 3 < 2 or n < limit else 0 for place, n in enumerate(self.stats)]

    def is_as(self, files: bytes) -> bool:
        """Whether nothing has changed since `files`, the section of that name, was written."""
        return marshal.dumps((self.names, self.stats), _FIRM) == files


def by_name(names: list[str], stats: list[int]) -> dict[str, tuple[int, int, int]]:
    return dict(zip(names, zip(stats[::3], stats[1::3], stats[2::3], strict=True), strict=True))


def scan(folder: str) -> Seen:
    """Look at every file of a folder. Raises Disk."""
    seen = Seen(time.time_ns(), [], [])
    _look(folder, "", seen, None)
    return seen


def scan_below(folder: str) -> tuple[Seen, dict[str, str]]:
    """(every file below a folder, its name with the folders that lead there; {name: what it is} of what is no file)."""
    seen, odd = Seen(time.time_ns(), [], []), dict[str, str]()
    below = [""]
    for rel in below:
        _look(f"{folder}/{rel}" if rel else folder, rel and f"{rel}/", seen, (below, odd))
    return seen, odd


def _look(folder: str, prefix: str, seen: Seen, others: tuple[list[str], dict[str, str]] | None) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with os.scandir(fd) as entries:  # by its descriptor: the looks then need no path
                for entry in entries:
                    name = prefix + entry.name
                    if others and not entry.is_file(follow_symlinks=False):
                        if entry.is_dir(follow_symlinks=False):
                            others[0].append(name)
                        else:
                            others[1][name] = files.kind_of(entry.stat(follow_symlinks=False).st_mode)
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue  # gone between the listing and the look
                    seen.names.append(name)
                    seen.stats += (status.st_ino, status.st_size, status.st_ctime_ns)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return
    except OSError as e:
        raise Disk(f"cannot list {folder}: {e.strerror}")


class Kept:
    """A cache file that is open, and where the parts of each section are: (offset, bytes, checksum)."""

    def __init__(self, fd: int, table: dict[str, list[tuple[int, int, int]]]) -> None:
        self.fd, self.table = fd, table

    def parts(self, section: str) -> Iterator[bytes]:
        """The parts of a section as they were written. Raises ValueError for a damaged one."""
        for start, size, check in self.table[section]:
            yield _checked(self.fd, start, size, check)

    def get(self, section: str) -> Any:
        """The value of a section that has one part."""
        return marshal.loads(b"".join(self.parts(section)))

    def close(self) -> None:
        os.close(self.fd)


def _checked(fd: int, start: int, size: int, check: int) -> bytes:
    data = os.pread(fd, size, start)
    if len(data) != size or crc32(data) != check:
        raise ValueError("damaged")
    return data


def path_of(repo: Repo, name: str) -> str:
    return f"{repo.own}/cache/{name}"


def opened(repo: Repo, name: str) -> Kept | None:
    """The cache file of that name, None where there is none that can be used."""
    try:
        fd = os.open(path_of(repo, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        head = os.pread(fd, _HEAD, 0)
        if len(head) == _HEAD and head.startswith(_MAGIC):
            start, size, check = (int.from_bytes(head[n : n + 8], "big") for n in range(len(_MAGIC), _HEAD, 8))
            return Kept(fd, marshal.loads(_checked(fd, start, size, check)))
    except (OSError, ValueError, OverflowError):
        pass
    os.close(fd)
    return None


def write(repo: Repo, name: str, sections: Iterable[tuple[str, Any]]) -> None:
    """Replace a cache file. A section may come in parts; they are taken one by one, and one is held as bytes."""
    path = path_of(repo, name)
    temporary = f"{path}.new"
    try:
        files.make_folder(os.path.dirname(path))
        reach("cache.write")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except FileExistsError:  # another process is at it, or was killed there
        files.discard(temporary, older_than_s=60)
        return
    except (OSError, Disk):
        return
    try:
        table: dict[str, list[tuple[int, int, int]]] = {}
        at = _HEAD
        for section, value in sections:
            data = marshal.dumps(value, _FIRM if section == "files" else marshal.version)
            table.setdefault(section, []).append((at, len(data), crc32(data)))
            at += os.pwrite(fd, data, at)
        data = marshal.dumps(table)
        os.pwrite(fd, data, at)
        os.pwrite(fd, _MAGIC + b"".join([n.to_bytes(8, "big") for n in (at, len(data), crc32(data))]), 0)
        os.replace(temporary, path)
    except BaseException as e:
        files.discard(temporary)
        if not isinstance(e, OSError):
            raise
    finally:
        os.close(fd)
