"""What a power loss leaves: a model of a disk, fed with the system calls of a real command as strace wrote them down.

Data is on the disk from the fsync of its file on, names from the fsync of their folder on. What was not flushed may be
there or not. Folders that git alone writes are never flushed by it: like git, the model takes it that the changes of
names reach the disk in their order, as journaling file systems have it; data that was not flushed may lack even then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = (
    "openat,open,creat,lseek,write,pwrite64,writev,ftruncate,rename,renameat,renameat2,link,linkat,symlink,unlink"
    ",unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,chdir,fork,vfork,clone,clone3"
)
OPTIONS = ("-f", "-y", "-xx", "-s", "10000000", "-e", f"trace={CALLS}")
Tree = dict[str, bytes]  # path -> content; a folder's path ends with a slash


class Node:
    """A file's bytes, or a folder's names."""

    def __init__(self, data: bytes | None) -> None:
        self.data = data
        self.names: dict[str, Node] = {}


@dataclass
class Event:
    """Names that change at once, `data` that a file has from now on, or a flush of either."""

    kind: str  # 'names', 'data', 'flush'
    node: Node
    data: bytes = b""
    names: list[tuple[Node, str, Node | None]] = field(default_factory=list)
    where: str = ""


class Disk:
    """The disk below a folder, as it was when the command began, and what happened to it since."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self.root, self.place = Node(None), str(root)
        self.events: list[Event] = []
        for path, data in tree.items():
            *folders, name = path.rstrip("/").split("/")
            at = self.root
            for folder in folders:
                at = at.names[folder]
            at.names[name] = Node(None if path.endswith("/") else data)
        self.now = {id(node): node.data for node in _nodes(self.root)}  # bytes as they are at this moment
        self.names = {id(node): dict(node.names) for node in _nodes(self.root)}

    # replaying

    def find(self, path: str) -> Node | None:
        at: Node | None = self.root
        for name in os.path.relpath(path, self.place).split("/"):
            at = self.names[id(at)].get(name) if at is not None and id(at) in self.names else None
        return at

    def _place(self, path: str) -> tuple[Node, str] | None:
        """(folder, name) of a path below our root, None for any other."""
        folder, name = os.path.split(os.path.normpath(path))
        if not f"{folder}/".startswith(f"{self.place}/"):
            return None
        found = self.root if folder == self.place else self.find(folder)
        return (found, name) if found is not None else None

    def put(self, where: str, *changes: tuple[str, Node | None]) -> None:
        """Let names point elsewhere, all at once; the last one's folder makes it last."""
        placed = [(*found, node) for path, node in changes if (found := self._place(path))]
        for folder, name, node in placed:
            if node is None:
                self.names[id(folder)].pop(name, None)
            else:
                self.names[id(folder)][name] = node
        if placed:
            self.events.append(Event("names", placed[-1][0], names=placed, where=where))

    def made(self, path: str, data: bytes | None) -> None:
        node = Node(data)
        self.now[id(node)], self.names[id(node)] = data, {}
        node.data = b"" if data is not None else None
        self.put(f"make {path}", (path, node))

    def write(self, node: Node, data: bytes) -> None:
        self.now[id(node)] = data
        self.events.append(Event("data", node, data))

    def flush(self, node: Node) -> None:
        self.events.append(Event("flush", node))

    # looking at what may be left

    def unflushed(self) -> list[int]:
        """The changes of names whose folder was not flushed afterwards."""
        flushed, out = set[int](), list[int]()
        for n in range(len(self.events) - 1, -1, -1):
            event = self.events[n]
            if event.kind == "flush":
                flushed.add(id(event.node))
            elif event.kind == "names" and id(event.node) not in flushed:
                out.append(n)
        return out[::-1]

    def left(self, until: int, lost: Collection[int], is_kept: Callable[[str], bool]) -> Tree:
        """The disk after the first events, without the changes of names `lost`, and without the data that was not
        flushed of files whose path is not kept."""
        names = {id(node): dict(node.names) for node in _nodes(self.root)}
        held = {id(node): node.data for node in _nodes(self.root)}
        written = dict(held)
        for n, event in enumerate(self.events[:until]):
            if event.kind == "data":
                written[id(event.node)] = event.data
            elif event.kind == "flush":
                held[id(event.node)] = written.get(id(event.node))
            elif n not in lost:
                for folder, name, node in event.names:
                    names.setdefault(id(folder), {})[name] = node
        out: Tree = {}

        def walk(folder: Node, path: str) -> None:
            for name, node in names.get(id(folder), {}).items():
                at = f"{path}{name}"
                if node is not None and node.data is None:
                    out[f"{at}/"] = b""
                    walk(node, f"{at}/")
                elif node is not None:
                    out[at] = (written if is_kept(at) else held).get(id(node)) or b""

        walk(self.root, "")
        return out


def _nodes(root: Node) -> Iterator[Node]:
    yield root
    for node in root.names.values():
        yield from _nodes(node)


def tree_of(root: Path, *without: str) -> Tree:
    """What is on the real disk, but for some of its first names."""
    out: Tree = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] not in without:
            out |= {f"{name}/": b""} if path.is_dir() else {name: path.read_bytes()}
    return out


# reading what strace wrote


def replay(log: str, disk: Disk) -> None:
    """Do to the disk of the model what the log says."""
    cwd: dict[str, str] = {}
    offsets: dict[tuple[str, int], int] = {}
    for pid, name, args, result in _calls(log):
        for found in re.findall(r"AT_FDCWD<([^>]*)>", args):
            cwd[pid] = _text(found)
        if name in ("fork", "vfork", "clone", "clone3"):
            cwd[str(result)] = cwd.get(pid, "")
        elif result >= 0:
            _one(disk, name, args, result, pid, cwd, offsets)


def _one(
    disk: Disk, name: str, args: str, result: int, pid: str, cwd: dict[str, str], offsets: dict[tuple[str, int], int]
) -> None:
    paths = [os.path.normpath(os.path.join(base, path)) for base, path in _paths(args, cwd.get(pid, "/"))]
    fd = int(re.match(r"(\d+)|", args)[1] or -1)  # type: ignore[index]
    node = disk.find(_text(found[1])) if (found := re.match(r"\d+<([^>]*)>(?!\(deleted)", args)) else None
    if name == "chdir":
        cwd[pid] = paths[0]
    elif name in ("openat", "open", "creat"):
        there = disk.find(paths[0])
        if there is None and ("O_CREAT" in args or name == "creat"):
            disk.made(paths[0], b"")
        elif there is not None and "O_TRUNC" in args and disk.now[id(there)]:
            disk.write(there, b"")
        there = disk.find(paths[0])
        offsets[pid, result] = len(disk.now[id(there)] or b"") if there and "O_APPEND" in args else 0
    elif name == "lseek":
        offsets[pid, fd] = result
    elif name in ("mkdir", "mkdirat"):
        disk.made(paths[0], None)
    elif name.startswith("rename"):
        disk.put(f"rename to {paths[1]}", (paths[0], None), (paths[1], disk.find(paths[0])))
    elif name.startswith("link"):
        disk.put(f"link {paths[1]}", (paths[1], disk.find(paths[0])))
    elif name.startswith(("unlink", "rmdir")):
        disk.put(f"remove {paths[0]}", (paths[0], None))
    elif node is not None and name in ("fsync", "fdatasync"):
        disk.flush(node)
    elif node is not None and name == "ftruncate":
        disk.write(node, (disk.now[id(node)] or b"")[: int(args.rpartition(",")[2])])
    elif node is not None and name in ("write", "pwrite64"):
        data = _bytes(re.search(r'"([^"]*)"', args)[1])[:result]  # type: ignore[index]
        at = int(args.rpartition(",")[2]) if name == "pwrite64" else offsets.get((pid, fd), 0)
        old = disk.now[id(node)] or b""
        disk.write(node, old[:at].ljust(at, b"\0") + data + old[at + len(data) :])
        if name == "write":
            offsets[pid, fd] = at + len(data)


def _paths(args: str, cwd: str) -> Iterator[tuple[str, str]]:
    """(folder, path) of every path among the arguments."""
    for base, path in re.findall(r'(?:(?:AT_FDCWD|\d+)<([^>]*)>, )?"([^"]*)"', args):
        yield (_text(base) if base else cwd), _text(path)


def _calls(log: str) -> Iterator[tuple[str, str, str, int]]:
    """(process, name, arguments, result) of each finished call, in the order of their ends."""
    begun: dict[str, str] = {}
    for line in log.splitlines():
        pid, _, text = line.partition(" ")
        text = text.strip()
        if text.endswith("<unfinished ...>"):
            begun[pid] = text.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", text):
            text = begun.pop(pid, "") + resumed[1]
        if call := re.match(r"(\w+)\((.*)\) += (-?\d+)", text):
            yield pid, call[1], call[2], int(call[3])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return os.fsdecode(_bytes(text)) if text.startswith("\\x") else text
