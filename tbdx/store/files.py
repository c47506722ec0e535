"""Plain files, read and written so that nothing in a clone can lead us elsewhere and no crash leaves half a file.

Reading never follows a link, never waits on a FIFO, never takes in more than the limit. Writing goes to a temporary
file, is flushed, and is renamed into place; the directory is flushed too, so that a finished call survives a crash.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from tbdx.core.codec import LARGEST
from tbdx.errors import BadFile, Disk
from tbdx.store import failpoint
from tbdx.store.failpoint import reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE = 256 * 1024  # bytes that are read at once of a file that may be large
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def read(path: str, limit: int = LARGEST) -> bytes:
    """The bytes of a regular file, at most limit + 1 of them. Raises FileNotFoundError, BadFile for anything else."""
    fd = opened(path)
    try:
        left = min(os.fstat(fd).st_size, limit) + 1
        data = os.read(fd, left)
        if len(data) == left and left <= limit:  # it grew meanwhile
            while chunk := os.read(fd, limit + 1 - len(data)):
                data += chunk
        return data
    except OSError as e:
        raise Disk(f"cannot read {path}: {e.strerror}")
    finally:
        os.close(fd)


def opened(path: str, *, follow: bool = False) -> int:
    """A descriptor for reading a regular file; a link is followed only where a person named it. Raises
    FileNotFoundError, BadFile for anything else, Disk."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(path, flags & ~os.O_NOFOLLOW if follow else flags)
    except FileNotFoundError:
        raise
    except OSError as e:
        if e.errno == errno.ENXIO or (e.errno in (errno.ELOOP, errno.EMLINK) and not follow):
            mode = (os.stat if follow else os.lstat)(path).st_mode
            raise BadFile(f"{kind_of(mode)}, not a file; it is not followed", path=path)
        raise Disk(f"cannot read {path}: {e.strerror}")
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadFile(f"{kind_of(status.st_mode)}, not a file", path=path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def pieces(fd: int, path: str) -> Iterator[bytes]:
    """What is left to read of an open file, so that none of it is held for long. Raises Disk."""
    try:
        while piece := os.read(fd, PIECE):
            yield piece
    except OSError as e:
        raise Disk(f"cannot read {path}: {e.strerror}")


def kind_of(mode: int) -> str:
    return _KINDS.get(stat.S_IFMT(mode), "a device")


def write(path: str, data: bytes, *, scratch: str | None = None, durable: bool = True) -> None:
    """Replace the file at `path` in one step. `scratch` is a folder on the same disk for the temporary file, so that
    a crash leaves nothing beside the target. Raises Disk; then the old file stands, or the new one whole."""
    folder = os.path.dirname(path)
    temporary = os.path.join(scratch or folder, f".{os.path.basename(path)}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        write_new(temporary, data, durable)
        reach("file.replace")
        try:
            os.replace(temporary, path)
        except OSError as e:
            if e.errno != errno.EXDEV:
                raise
            os.unlink(temporary)
            temporary = os.path.join(folder, os.path.basename(temporary))
            write_new(temporary, data, durable)
            os.replace(temporary, path)
        if durable:
            sync_folder(folder)
    except OSError as e:
        discard(temporary)
        raise Disk(f"cannot write {path}: {e.strerror}", hint=hint_for(e))


def create(path: str, data: bytes, *, scratch: str) -> bool:
    """Put a new file at `path`, complete or not at all; False when there is one already. Raises Disk."""
    temporary = os.path.join(scratch, f".{os.path.basename(path)}.{os.getpid()}.tmp")
    try:
        write_new(temporary, data, True)
        return name_new(temporary, path)
    except OSError as e:
        raise Disk(f"cannot write {path}: {e.strerror}", hint=hint_for(e))
    finally:
        discard(temporary)


def name_new(temporary: str, path: str) -> bool:
    """Let a file that is written and flushed be at `path`, too, to last; False when something is there already."""
    try:
        reach("file.link")
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as e:  # a disk without hard links
            if e.errno not in (errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK):
                raise
            if os.path.lexists(path):
                return False
            replace(temporary, path)
        sync_folder(os.path.dirname(path))
        return True
    except OSError as e:
        raise Disk(f"cannot write {path}: {e.strerror}", hint=hint_for(e))


def write_pieces(path: str, data: Iterable[bytes]) -> None:
    """Write a temporary file piece by piece, and flush it; where that fails, it is gone again. Raises Disk."""
    try:
        write_new(path, data)
    except BaseException as e:
        discard(path)
        if isinstance(e, OSError):
            raise Disk(f"cannot write {path}: {e.strerror}", hint=hint_for(e))
        raise


def write_new(path: str, data: bytes | Iterable[bytes], durable: bool = True) -> None:
    """Write a file where nobody looks yet, and flush it."""
    reach("file.make")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        reach("file.write")
        for piece in (data,) if isinstance(data, bytes) else data:
            view = memoryview(piece)
            if failpoint.hook is not None:  # a test may stop us in the middle
                view = view[os.write(fd, view[: len(view) // 2]) :]
                reach("file.torn")
            while view:
                view = view[os.write(fd, view) :]
        if durable:
            reach("file.flush")
            os.fsync(fd)
    finally:
        os.close(fd)


def remove(path: str, *, durable: bool = True) -> bool:
    """Delete a file or a link; False when there is none. Raises Disk."""
    try:
        reach("file.remove")
        os.unlink(path)
        if durable:
            sync_folder(os.path.dirname(path))
    except FileNotFoundError:
        return False
    except OSError as e:
        raise Disk(f"cannot remove {path}: {e.strerror}", hint=hint_for(e))
    return True


def remove_empty(folder: str) -> bool:
    """Delete a folder when nothing is in it; whether it is gone."""
    try:
        reach("folder.remove")
        os.rmdir(folder)
    except OSError:
        return not os.path.lexists(folder)
    return True


def remove_tree(folder: str) -> None:
    """Delete a folder with all that is in it; links there are removed, not followed. Raises Disk."""
    import shutil

    try:
        reach("folder.remove")
        shutil.rmtree(folder)
        sync_folder(os.path.dirname(folder))
    except OSError as e:
        raise Disk(f"cannot delete {folder}: {e.strerror}", hint=hint_for(e))


def move(old: str, new: str) -> None:
    """Give a file or a folder another place, over a file that is there; by copy to another disk. Raises Disk."""
    import shutil

    make_folder(os.path.dirname(new))
    try:
        reach("file.move")
        shutil.move(old, new)
        for folder in {os.path.dirname(old), os.path.dirname(new)}:
            sync_folder(folder)
    except OSError as e:
        raise Disk(f"cannot move {old} to {new}: {e.strerror}", hint=hint_for(e))


def replace(old: str, new: str) -> None:
    """Let one file take the place of another, in one step; by copy from another disk. Raises Disk."""
    try:
        reach("file.replace")
        try:
            os.replace(old, new)
        except OSError as e:
            if e.errno != errno.EXDEV:
                raise
            write(new, read(old, 1 << 30))
            os.unlink(old)
    except OSError as e:
        raise Disk(f"cannot replace {new}: {e.strerror}", hint=hint_for(e))


def flush(path: str) -> None:
    """Flush to disk a file that another program wrote. Raises Disk."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            reach("file.flush")
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as e:
        raise Disk(f"cannot flush {path}: {e.strerror}", hint=hint_for(e))


def discard(path: str, *, older_than_s: float = 0) -> None:
    """Delete a temporary file, or a folder with all that is in it, if it is there and can be."""
    try:
        status = os.lstat(path)
        if older_than_s and time.time() - status.st_mtime <= older_than_s:
            return
        reach("file.discard")
        if stat.S_ISDIR(status.st_mode):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        return


def sweep(folder: str, *, older_than_s: float) -> None:
    """Discard what killed processes left in a scratch folder: whatever nobody has touched for so long."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        discard(f"{folder}/{name}", older_than_s=older_than_s)


def sync_folder(path: str) -> None:
    """Flush a folder's entries to disk, where the system can."""
    reach("folder.flush")
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EROFS, errno.ENOTSUP):
            raise
    finally:
        os.close(fd)


def hint_for(e: OSError) -> str | None:
    if e.errno == errno.ENOSPC:
        return "the disk is full; free some space and repeat the command"
    if e.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "the folder is not writable here; reading commands still work"
    return None


def make_folder(path: str) -> None:
    """Make a folder and its parents, to last. Raises Disk."""
    if os.path.isdir(path):
        return
    try:
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            make_folder(parent)
        reach("folder.make")
        os.mkdir(path)
        sync_folder(parent)
    except FileExistsError:
        if not os.path.isdir(path):
            raise Disk(f"cannot make {path}: something else is there")
    except OSError as e:
        raise Disk(f"cannot make {path}: {e.strerror}", hint=hint_for(e))


def inside(root: str, *names: str) -> str:
    """The path of `names` under `root`, refused when a part could lead out of it. Raises BadFile.

    Each name is one path component; none may be a symbolic link, whether or not the last one exists yet.
    """
    path = root
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\0" in name or "\\" in name:
            raise BadFile(f"{name!r} is not a file name", path=root)
        path = f"{path}/{name}"
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            continue
        except OSError as e:
            raise BadFile(e.strerror or "cannot be looked at", path=path)
        if stat.S_ISLNK(mode):
            raise BadFile("a symbolic link; it is not followed", path=path)
    return path


def walk(root: str, rel: str = "") -> Iterator[tuple[str, str | None]]:
    """(path relative to root, None) for each regular file below it, in name order; (path, what it is) for the rest."""
    try:
        entries = sorted(os.scandir(os.path.join(root, rel) if rel else root), key=lambda e: e.name)
    except FileNotFoundError:
        return
    for entry in entries:
        path = f"{rel}/{entry.name}" if rel else entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from walk(root, path)
        elif entry.is_file(follow_symlinks=False):
            yield path, None
        else:
            yield path, kind_of(entry.stat(follow_symlinks=False).st_mode)
