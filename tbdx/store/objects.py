"""Git's objects and refs: commits, trees and blobs read and stored in batches, refs moved all or none."""

from __future__ import annotations

import os
import time

from tbdx.core.digest import blob_id
from tbdx.errors import Disk
from tbdx.errors import Git as GitError
from tbdx.store import files
from tbdx.store.failpoint import reach
from tbdx.store.layout import Repo
from tbdx.store.process import clean_env, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

LOCAL_S = 120.0  # the limit of a call that stays on this machine
PLAIN = "100644"  # the mode of the files that we write and read
PACK_FROM = 100  # so many new blobs go into a pack, as with git's own fetch.unpackLimit
BACKUP = "refs/tbdx/backup/"
STANDS_ON = "refs/tbdx/stands-on"  # the commit whose files were last put into the hidden worktree
_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",
    "core.sparseCheckout=false",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.quotePath=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.symlinks=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "color.ui=false",
    "log.showSignature=false",
    "push.gpgSign=false",
    "push.pushOption=",
    "push.followTags=false",
    "advice.detachedHead=false",
    "i18n.commitEncoding=UTF-8",
)
_SETTINGS = [part for setting in _QUIET for part in ("-c", setting)]
# objects and refs are flushed: the second for gits from 2.36 on, which call the first one old on stderr
_FLUSHED = ["-c", "core.fsyncObjectFiles=true", "-c", "core.fsync=objects,derived-metadata,reference"]
_LIGHT = ["-c", "pack.window=0"]  # looking for deltas among issues costs more than it saves
_STORES = {"hash-object", "write-tree", "commit-tree", "update-ref", "fetch", "push", "index-pack", "bundle"}
_CHANGES = _STORES | {"worktree", "read-tree", "update-index", "symbolic-ref", "reflog", "init", "config"}


class Change:
    """A file that differs: git's letter, its mode now, its blob before and now (None: no plain file), its id now."""

    __slots__ = ("id", "letter", "mode", "new", "old")

    def __init__(self, letter: str, mode: str, old: str | None, new: str | None, id: str) -> None:
        self.letter, self.mode, self.old, self.new, self.id = letter, mode, old, new, id


class Objects:
    """Git on one clone. `env` is the caller's environment; it is cleaned here. `heard` gets git's progress."""

    def __init__(self, repo: Repo, env: Mapping[str, str], heard: Callable[[bytes], None] | None = None) -> None:
        self.repo = repo
        self.env = clean_env(env)
        self.heard = heard
        self._known: dict[str, list[str]] | None = None

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        git_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        limit_s: float = LOCAL_S,
        silent_s: float | None = None,
        settings: Sequence[str] = (),
    ) -> tuple[int, bytes, str]:
        """(exit code, output, what it said). Raises GitError when git is missing or the time is up."""
        more = [*(_FLUSHED if args[0] in _STORES else ()), *(_LIGHT if args[0] == "push" else ()), *settings]
        argv = ["git", *_SETTINGS, *more, f"--git-dir={git_dir or self.repo.common}", *args]
        if args[0] in _CHANGES:
            try:
                reach(f"git.{args[0]}")
            except OSError as e:
                raise GitError(f"git {args[0]} failed: {e.strerror}")
        heard = self.heard if silent_s is not None else None
        whole = self.env | dict(env) if env else self.env
        return run(argv, whole, cwd=self.repo.root, stdin=stdin, limit_s=limit_s, silent_s=silent_s, heard=heard)

    def ask(
        self, *args: str, stdin: bytes = b"", git_dir: str | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        """The output of a call that must succeed. Raises GitError with git's own words."""
        code, out, err = self.run(*args, stdin=stdin, git_dir=git_dir, env=env)
        if code:
            raise GitError(f"git {args[0]} failed: {words_of(err) or f'exit {code}'}")
        return out

    def _read(self, *args: str, stdin: bytes = b"") -> bytes:
        """The output of a call that fails only when an object is not there. Raises GitError, its reason 'damaged'."""
        code, out, err = self.run(*args, stdin=stdin)
        if code:
            raise _damaged(f"an object of the sync branch is missing or damaged: {words_of(err) or f'exit {code}'}")
        return out

    # what there is

    def commit_of(self, name: str) -> str | None:
        """The commit that a ref or a commit id names, None when there is none."""
        code, out, _ = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}")
        return None if code else out.decode().strip()

    def branch_tip(self, branch: str) -> str | None:
        return self.commit_of(f"refs/heads/{branch}")

    def remote_tip(self, remote: str, branch: str) -> str | None:
        """The remote's branch as last fetched."""
        return self.commit_of(f"refs/remotes/{remote}/{branch}")

    def refs(self, *names: str) -> dict[str, str]:
        """The commits at those of the refs that are there, whole names given; a name that ends in / gives all below."""
        out = self.ask("for-each-ref", "--format=%(objecttype) %(objectname) %(refname)", *names)
        rows = [line.split(" ", 2) for line in out.decode("utf-8", "surrogateescape").splitlines()]
        wanted = tuple(name for name in names if name.endswith("/"))
        return {ref: of for kind, of, ref in rows if kind == "commit" and (ref in names or ref.startswith(wanted))}

    def settings(self) -> dict[str, list[str]]:
        """The user's own git settings that we ask for: who they are, and where their remotes are."""
        if self._known is None:
            known: dict[str, list[str]] = {}
            wanted = r"^(user\.(name|email)|remote\..*\.(url|pushurl|promisor|mirror)|extensions\.objectformat)$"
            _, out, _ = self.run("config", "-z", "--get-regexp", wanted)
            for row in out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
                key, _, value = row.partition("\n")
                known.setdefault(key, []).append(value)
            self._known = known
        return self._known

    def has_remote(self, remote: str) -> bool:
        """True when the user's own git configuration knows the remote; a name alone is never taken for a place."""
        return f"remote.{remote}.url" in self.settings()

    def remotes(self) -> list[str]:
        return sorted({key[7:-4] for key in self.settings() if key.startswith("remote.") and key.endswith(".url")})

    def merge_base(self, a: str, b: str) -> str | None:
        code, out, _ = self.run("merge-base", a, b)
        return None if code else out.decode().split("\n")[0].strip()

    def is_ancestor(self, a: str, b: str) -> bool:
        return self.run("merge-base", "--is-ancestor", a, b)[0] == 0

    def count(self, include: str, exclude: str) -> int:
        """How many commits `include` has that `exclude` has not."""
        return int(self.ask("rev-list", "--count", include, f"^{exclude}"))

    def titles(self, include: str, exclude: str) -> list[str]:
        """One line per commit: short id and subject."""
        out = self.ask("log", "--oneline", "--no-decorate", "--no-color", include, f"^{exclude}", "--")
        return out.decode("utf-8", "replace").splitlines()

    def is_cut(self) -> bool:
        """Whether this is a shallow clone, whose history ends somewhere."""
        return self.ask("rev-parse", "--is-shallow-repository").strip() == b"true"

    def history(self, base: str, *ends: str) -> list[tuple[str, list[str], dict[str, str | None]]]:
        """(commit, parents, {path: blob where it differs from the first parent's}) of what the ends have and `base`
        has not, parents before children. The changes are left out when there is no merge among them."""
        out = self._read("rev-list", "--parents", "--topo-order", "--reverse", *ends, f"^{base}")
        rows = [line.split(" ") for line in out.decode().splitlines()]
        if all(len(row) < 3 for row in rows):
            return [(row[0], row[1:], {}) for row in rows]
        pairs = "".join(f"{row[0]} {row[1]}\n" if len(row) > 1 else f"{row[0]}\n" for row in rows)
        fields = self._read(
            "diff-tree", "--stdin", "-r", "-z", "--root", "--no-renames", "--raw", "--no-abbrev", stdin=pairs.encode()
        ).split(b"\0")
        changed: dict[str, dict[str, str | None]] = {}
        at: dict[str, str | None] = {}
        heads = iter(fields[:-1])
        for head in heads:
            if head[:1] != b":":
                at = changed.setdefault(head.decode().strip()[: len(base)], {})
                continue
            _, mode, _, blob, letter = head.decode().split(" ")
            at[os.fsdecode(next(heads))] = blob if letter != "D" and mode == PLAIN else None
        return [(row[0], row[1:], changed.get(row[0], {})) for row in rows]

    def tree(self, commit: str) -> dict[str, tuple[str, str]]:
        """path -> (mode, blob) of all files of a commit."""
        out = {}
        for row in os.fsdecode(self._read("ls-tree", "-r", "-z", "--full-tree", commit)).split("\0")[:-1]:
            head, _, path = row.partition("\t")
            out[path] = (head[:6], head[12:])
        return out

    def differing(self, a: str | None, b: str) -> dict[str, Change]:
        """path -> change, of the files that differ between two commits; `a` None: all of `b` is new."""
        if a is None:
            rows = self.tree(b).items()
            return {p: Change("A", mode, None, blob if mode == PLAIN else None, blob) for p, (mode, blob) in rows}
        out = {}
        fields = os.fsdecode(self._read("diff-tree", "-r", "-z", "--no-renames", "--raw", a, b)).split("\0")[:-1]
        for head, path in zip(fields[::2], fields[1::2], strict=True):
            old_mode, mode, old, new, letter = head[1:].split(" ")
            was, now = old if old_mode == PLAIN else None, new if mode == PLAIN else None
            out[path] = Change(letter[:1], mode, was, now, new)
        return out

    def blobs(self, ids: Iterable[str], git_dir: str | None = None) -> dict[str, bytes]:
        """The content of blobs, read in one batch. Raises GitError, its reason 'damaged', for one that is not there."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        code, data, err = self.run(
            "cat-file", "--batch", stdin="".join(f"{x}\n" for x in wanted).encode(), git_dir=git_dir
        )
        out, at = {}, 0
        for name in wanted:
            end = data.find(b"\n", at)
            head = data[at:end].split(b" ")
            size = int(head[2]) if end >= 0 and len(head) == 3 else -1
            if size < 0 or len(data) < end + size + 2:
                said = f": {words_of(err)}" if err else ""
                raise _damaged(f"object {name} of the sync branch is missing or damaged{said}")
            out[name] = data[end + 1 : end + 1 + size]
            at = end + size + 2
        if code:
            raise GitError(f"git cat-file failed: {words_of(err)}")
        return out

    def content(self, commit: str, paths: Iterable[str] | None = None) -> dict[str, bytes]:
        """path -> bytes of a commit's regular files, or of those among `paths`."""
        tree = {p: blob for p, (mode, blob) in self.tree(commit).items() if mode == PLAIN}
        chosen = tree if paths is None else {p: tree[p] for p in paths if p in tree}
        by_id = self.blobs(chosen.values())
        return {p: by_id[blob] for p, blob in chosen.items()}

    def versions(self, commit: str, path: str, most: int = 200) -> list[str]:
        """The blobs that a file was, the newest first, on every line of history."""
        out = self.ask(
            "log", "-m", "--format=", "--raw", "--no-abbrev", "--no-renames", f"-{most}", "-z", commit, "--", path
        )
        rows = [field.decode().split(" ") for field in out.split(b"\0") if field[:1] == b":"]
        return list(dict.fromkeys(row[3] for row in rows if row[1] == PLAIN))

    # writing our branch

    def hash_all(self, contents: Sequence[bytes]) -> list[str]:
        """Store contents as blobs, byte for byte, in one batch; their ids in the same order. Raises GitError, Disk."""
        if len(contents) >= PACK_FROM:
            return self._pack(contents)
        files.make_folder(self.repo.scratch)
        paths = [f"{self.repo.scratch}/blob.{os.getpid()}.{n}" for n in range(len(contents))]
        listed = "".join(f"{path}\n" for path in paths)
        try:
            for path, data in zip(paths, contents, strict=True):
                files.write_new(path, data, durable=False)
            if not paths:
                return []
            out = self.ask("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=os.fsencode(listed))
            return out.decode().split()
        except OSError as e:
            raise Disk(f"cannot write below {self.repo.scratch}: {e.strerror}", hint=files.hint_for(e))
        finally:
            for path in paths:
                files.discard(path)

    def _pack(self, contents: Sequence[bytes]) -> list[str]:
        """The same for many, as git itself keeps what it fetches: one pack, flushed once, instead of many files."""
        import hashlib
        import zlib

        is_sha256 = "sha256" in self.settings().get("extensions.objectformat", [])
        ids = [blob_id(data, "0" * (64 if is_sha256 else 40)) for data in contents]
        parts = []
        by_id = dict(zip(ids, contents, strict=True))
        for data in by_id.values():
            size, byte = len(data) >> 4, 0x30 | len(data) & 15  # a blob, and the size in groups of bits, the low first
            while size:
                parts.append(bytes([byte | 0x80]))
                size, byte = size >> 7, size & 0x7F
            parts += (bytes([byte]), zlib.compress(data, 1))
        body = b"PACK" + (2).to_bytes(4, "big") + len(by_id).to_bytes(4, "big") + b"".join(parts)
        end = (hashlib.sha256 if is_sha256 else hashlib.sha1)(body).digest()
        self.ask("index-pack", "--stdin", stdin=body + end)
        return ids

    def put_loose(self, name: str, kind: str, data: bytes) -> None:
        """Store an object as a file of its own, although git believes to have it: where a pack's copy is damaged, git
        reads this one. What stood there is kept aside. Raises Disk."""
        import zlib

        path = f"{self.repo.common}/objects/{name[:2]}/{name[2:]}"
        if os.path.lexists(path):
            files.move(path, f"{self.repo.own}/backup/{name}.{time.time_ns()}")
        files.make_folder(os.path.dirname(path))
        files.write(path, zlib.compress(b"%s %d\0" % (kind.encode(), len(data)) + data), scratch=self.repo.scratch)

    def move_refs(self, moves: Mapping[str, tuple[str, str | None]]) -> None:
        """Move refs, all or none: ref -> (new, old); old None: it must not be there yet, '': wherever it is.

        Raises GitError, its reason 'moved', when one is not where it was thought to be, or what it was to hold is gone.
        """
        rows = [f"update {ref}\0{new}\0{'0' * len(new) if old is None else old}\0" for ref, (new, old) in moves.items()]
        code, _, err = self.run("update-ref", "-m", "tbdx", "-z", "--stdin", stdin="".join(rows).encode())
        if code:
            there = self.refs(*moves)
            moved = any(there.get(ref) != old for ref, (_, old) in moves.items() if old != "")
            raise GitError(f"git update-ref failed: {words_of(err)}", reason="moved" if moved else "")
        for new, old in moves.values():
            if old and not self._secure(new, old):
                self._move_back(moves, old)
                raise GitError("a git gc took what no ref held yet", reason="moved")

    def _move_back(self, moves: Iterable[str], old: str) -> None:
        """Let refs hold `old` again, and their logs not tell of what they held since, which is not there any more."""
        back = "".join(f"update {ref}\0{old}\0\0" for ref in moves)
        self.run("update-ref", "-m", "tbdx", "-z", "--stdin", stdin=back.encode())
        for ref in moves:
            for _ in range(2):
                self.run("reflog", "delete", "--rewrite", f"{ref}@{{0}}")

    def is_collecting(self) -> bool:
        """Whether a `git gc` runs here: it may take what no ref held when it looked, with --prune=now of any age."""
        return os.path.lexists(f"{self.repo.common}/gc.pid")

    def is_whole(self, new: str, old: str) -> bool:
        """Whether all is here that `new` has and `old` has not. A partial clone fetches what it lacks, and is whole."""
        if any(key.endswith(".promisor") for key in self.settings()):
            return True
        return not self.run("rev-list", "--objects", "--quiet", new, f"^{old}")[0]

    def _secure(self, new: str, old: str) -> bool:
        """Whether all that a ref holds since it moved from `old` to `new` is here, and stays.

        A `git gc` that looked before may take it yet, as long as it is loose: then it is stored as a pack, too.
        """
        if self.is_collecting():
            code, pack, _ = self.run("pack-objects", "--revs", "--stdout", "-q", stdin=f"{new}\n^{old}\n".encode())
            if code:
                return False
            self.run("index-pack", "--stdin", stdin=pack)
        return self.is_whole(new, old)

    def damaged(self, branch: str) -> list[str]:
        """The objects that a branch, its history and its files need and that cannot be read; its tip may be one."""
        code, out, _ = self.run("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        if code:
            return []
        tip = out.decode().strip()
        code, out, _ = self.run("rev-list", "--objects", tip)
        named = [line.split(b" ")[0].decode() for line in out.splitlines()]
        if code:  # something on the way: let git look at everything, and try whatever it names
            import re

            _, out, err = self.run("fsck", "--no-dangling", "--no-reflogs", "--no-progress")
            named = [tip]
            named += re.findall(r"(?<!pack-)\b[0-9a-f]{40,64}\b", out.decode("utf-8", "replace") + err)
        return self.unreadable(named)

    def unreadable(self, names: Iterable[str]) -> list[str]:
        """Those of the objects that cannot be read whole."""
        left = sorted(set(names))
        out = []
        while left:
            _, data, _ = self.run("cat-file", "--batch", "--buffer", stdin="".join(f"{x}\n" for x in left).encode())
            at = 0
            for n, name in enumerate(left):  # git ends at the first that is damaged; what is missing it tells
                head, end = data[at : data.find(b"\n", at)].split(b" "), data.find(b"\n", at)
                size = int(head[2]) if end >= 0 and len(head) == 3 and head[2].isdigit() else -1
                if head[-1] == b"missing":
                    out.append(name)
                    at = end + 1
                elif size < 0 or len(data) < end + size + 2:
                    out.append(name)
                    left = left[n + 1 :]
                    break
                else:
                    at = end + size + 2
            else:
                break
        return out

    def changed_in(self, old: str | None, new: str, folder: str) -> list[tuple[str, str | None, str]]:
        """(path, blob before, blob after) of each change of a file below a folder, in the commits that `new` has and
        `old` has not, parents before children; of a merge, what it has otherwise than all its parents."""
        how = ("--reverse", "--topo-order", "-c", "--root", "--raw", "-z", "--no-abbrev", "--no-renames", "--format=")
        out = self.ask("log", *how, new, *([f"^{old}"] if old else []), "--", folder)
        fields = os.fsdecode(out).split("\0")
        rows = []
        heads = iter(fields)
        for head in heads:
            head = head.lstrip("\n")
            if head[:1] != ":":
                continue
            count = len(head) - len(head.lstrip(":"))
            parts = head[count:].split(" ")
            was, now = parts[count + 1], parts[2 * count + 1]
            path = next(heads)
            if parts[count] == PLAIN:
                rows.append((path, was if was.strip("0") else None, now))
        return rows

    def message_where_added(self, path: str, branch: str) -> str:
        """The message of the commit that brought a path to a branch, '' where there is none."""
        code, out, _ = self.run("log", "-1", "--format=%B", "--diff-filter=A", f"refs/heads/{branch}", "--", path)
        return "" if code else out.decode("utf-8", "replace")

    def parent_where_added(self, path: str, commits: Sequence[str]) -> str | None:
        """The first parent of the commit that brought a path into the history of others."""
        out = self.ask("log", "-1", "--format=%H", "--diff-filter=A", "--no-renames", *commits, "--", path)
        return self.commit_of(f"{out.decode().strip()}^") if out.strip() else None

    def commit_before(self, branch: str, at_s: int) -> str | None:
        """The last commit of a branch that is not later than a time, in seconds since 1970."""
        out = self.ask("rev-list", "-1", "--first-parent", f"--before={at_s}", f"refs/heads/{branch}", "--")
        return out.decode().strip() or None

    def author(self, commit: str, git_dir: str | None = None) -> str:
        """Who made a commit, `name <email>` as it says itself; '' where it is not known."""
        code, out, _ = self.run("log", "-1", "--format=%an <%ae>", commit, git_dir=git_dir)
        return "" if code else out.decode("utf-8", "replace").strip()

    def date(self, commit: str) -> int:
        """When a commit was made, in seconds since 1970."""
        return int(self.ask("log", "-1", "--format=%ct", commit).strip())


def _damaged(message: str) -> GitError:
    hint = "tbdx doctor --fix brings it back; git fsck tells what else is damaged"
    return GitError(message, hint=hint, reason="damaged")


def words_of(err: str) -> str:
    """What git or a server said, on one line: without prefixes, progress, advice, and passwords in URLs."""
    import re

    said = []
    for line in err.splitlines():
        text = re.sub(r"^(remote: *|error: *|fatal: *)+", "", line.rpartition("\r")[2]).strip()
        passing = re.match(r"(hint|warning):|Total \d|[\w ]+: +(\d+%|\d+(, done\.)?$)|To |Everything up-to-date", text)
        if text and not passing:
            said.append(text)
    return re.sub(r"://[^/@\s]+@", "://", "; ".join(said))[:500]
