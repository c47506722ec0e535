"""A git in memory, with the face of `tbdx.store.git.Git`: objects, refs moved all or none, a hidden worktree, remotes.

What starts a git process there is a few lines on dictionaries here; what `Git` makes of such calls is inherited. Every
change passes the failpoint that the real call passes. Blobs have git's own ids; commits know all that lies behind them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tbdx.core.digest import blob_id
from tbdx.errors import Disk
from tbdx.errors import Git as GitError
from tbdx.store.failpoint import reach
from tbdx.store.git import Git
from tbdx.store.layout import Repo
from tbdx.store.objects import PACK_FROM, PLAIN, Change

Tree = Mapping[str, tuple[str, str]]  # path -> (mode, blob)
SHA1 = "0" * 40


class Commit(NamedTuple):
    tree: Tree
    parents: tuple[str, ...]
    past: frozenset[str]  # itself and all its ancestors
    at: int
    title: str


@dataclass
class Memory:
    """What one repository holds, or a remote's does. `now` gives the dates of commits."""

    now: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)
    blobs: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    index: Tree = field(default_factory=dict)
    head: str = ""  # the hidden worktree's: a ref, or a commit
    remotes: dict[str, Memory] = field(default_factory=dict)  # by name, and by address

    def take(self, commit: str, source: Memory) -> None:
        """Copy a commit with its history from another repository."""
        for each in source.commits[commit].past - self.commits.keys():
            self.commits[each] = source.commits[each]
            self.blobs |= {blob: source.blobs[blob] for _, blob in source.commits[each].tree.values()}

    def collect(self) -> None:
        """Drop the objects that no ref leads to, as `git gc --prune=now` does once reflogs have ended."""
        tips = {*self.refs.values(), self.head} & self.commits.keys()
        kept = frozenset[str]().union(*(self.commits[tip].past for tip in tips))
        self.commits = {c: commit for c, commit in self.commits.items() if c in kept}
        trees = [self.index, *(commit.tree for commit in self.commits.values())]
        blobs = {blob for tree in trees for _, blob in tree.values()}
        self.blobs = {blob: data for blob, data in self.blobs.items() if blob in blobs}


class MemoryGit(Git):
    """One command's git on a repository in memory."""

    def __init__(self, repo: Repo, memory: Memory) -> None:
        super().__init__(repo, {})
        self.memory = memory
        self._made = ""  # the commit whose index is at hand

    def run(self, *args: str, **_: object) -> tuple[int, bytes, str]:  # type: ignore[override]
        """The only call that `Git` makes of its own here: a worktree is added, with no files."""
        assert args[:2] == ("worktree", "add"), args
        self._change("worktree")
        path, branch = args[-2:]
        own = f"{self.repo.common}/worktrees/{os.path.basename(path)}"
        tie = ((own, "gitdir", f"{path}/.git\n"), (path, ".git", f"gitdir: {own}\n"))
        for place, name, text in (*tie, (own, "HEAD", "ref: in memory\n"), (own, "commondir", "../..\n")):
            os.makedirs(place, exist_ok=True)
            with open(f"{place}/{name}", "w") as f:
                f.write(text)
        self.memory.head, self.memory.index = f"refs/heads/{branch}", {}
        return 0, b"", ""

    def _change(self, verb: str) -> None:
        try:
            reach(f"git.{verb}")
        except OSError as e:
            raise GitError(f"git {verb} failed: {e.strerror}")

    def _commit(self, name: str) -> Commit:
        if name not in self.memory.commits:
            raise GitError(f"bad object {name}")
        return self.memory.commits[name]

    # what there is

    def commit_of(self, name: str) -> str | None:
        found = self.memory.refs.get(name, name)
        return found if found in self.memory.commits else None

    def refs(self, *names: str) -> dict[str, str]:
        below = tuple(name for name in names if name.endswith("/"))
        return {ref: at for ref, at in sorted(self.memory.refs.items()) if ref in names or ref.startswith(below)}

    def settings(self) -> dict[str, list[str]]:
        return {f"remote.{name}.url": [name] for name in self.memory.remotes if "/" not in name}

    def is_cut(self) -> bool:
        return False

    def merge_base(self, a: str, b: str) -> str | None:
        commits = self.memory.commits
        common = self._commit(a).past & self._commit(b).past
        return max(common, key=lambda c: (len(commits[c].past), commits[c].at, c), default=None)

    def is_ancestor(self, a: str, b: str) -> bool:
        return a in self.memory.commits and b in self.memory.commits and a in self.memory.commits[b].past

    def _between(self, ends: Iterable[str], base: str) -> list[str]:
        """What the ends have and the base has not, parents before children."""
        found = frozenset[str]().union(*(self._commit(end).past for end in ends)) - self._commit(base).past
        return sorted(found, key=lambda c: (len(self.memory.commits[c].past), self.memory.commits[c].at, c))

    def count(self, include: str, exclude: str) -> int:
        return len(self._between([include], exclude))

    def titles(self, include: str, exclude: str) -> list[str]:
        return [f"{c[:7]} {self.memory.commits[c].title}" for c in reversed(self._between([include], exclude))]

    def history(self, base: str, *ends: str) -> list[tuple[str, list[str], dict[str, str | None]]]:
        rows = [(c, [*self.memory.commits[c].parents]) for c in self._between(ends, base)]
        if all(len(parents) < 2 for _, parents in rows):
            return [(c, parents, {}) for c, parents in rows]
        return [(c, ps, {p: d.new for p, d in self.differing(ps[0] if ps else None, c).items()}) for c, ps in rows]

    def tree(self, commit: str) -> dict[str, tuple[str, str]]:
        return dict(self._commit(commit).tree)

    def differing(self, a: str | None, b: str) -> dict[str, Change]:
        old: Tree = {} if a is None else self._commit(a).tree
        new = self._commit(b).tree
        out = {}
        for path in sorted({*old, *new}):
            (was, x), (mode, y) = old.get(path, ("000000", SHA1)), new.get(path, ("000000", SHA1))
            if (was, x) != (mode, y):
                letter = "A" if path not in old else "D" if path not in new else "M"
                out[path] = Change(letter, mode, x if was == PLAIN else None, y if mode == PLAIN else None, y)
        return out

    def blobs(self, ids: Iterable[str], git_dir: str | None = None) -> dict[str, bytes]:
        wanted = {*ids}
        missing = wanted - self.memory.blobs.keys()
        if missing:
            raise GitError(f"object {min(missing)} of the sync branch is missing or damaged", reason="damaged")
        return {blob: self.memory.blobs[blob] for blob in wanted}

    def versions(self, commit: str, path: str, most: int = 200) -> list[str]:
        commits = self.memory.commits
        newest = sorted(self._commit(commit).past, key=lambda c: (len(commits[c].past), c), reverse=True)
        found = []
        for c in newest:
            at, was = commits[c].tree.get(path), [commits[p].tree.get(path) for p in commits[c].parents]
            found += [at] if at and at[0] == PLAIN and (not was or any(at != before for before in was)) else []
        return list(dict.fromkeys(blob for _, blob in found[:most]))

    def date(self, commit: str) -> int:
        return self._commit(commit).at

    # writing our branch

    def hash_all(self, contents: Sequence[bytes]) -> list[str]:
        if contents:
            self._change("index-pack" if len(contents) >= PACK_FROM else "hash-object")
        ids = [blob_id(data, SHA1) for data in contents]
        self.memory.blobs |= zip(ids, contents, strict=True)
        return ids

    def commit_tree(
        self,
        base: str | None,
        changes: Mapping[str, str | None],
        parents: Sequence[str],
        message: str,
        *,
        author: Mapping[str, str] | None = None,
    ) -> str:
        for verb in ("read-tree", "update-index", "write-tree", "commit-tree"):
            self._change(verb)
        tree = dict(self._commit(base).tree) if base else {}
        for path, what in changes.items():
            tree.pop(path, None)
            if what is not None:
                mode, _, blob = what.rpartition(" ")
                tree[path] = (mode or PLAIN, blob)
        date = (author or {}).get("GIT_AUTHOR_DATE")
        at = int(date.split()[0][1:]) if date else self.memory.now()
        name = hashlib.sha1(repr((_id_of(tree), *parents, at, message)).encode()).hexdigest()
        past = frozenset({name}).union(*(self._commit(p).past for p in parents))
        self.memory.commits[name] = Commit(dict(sorted(tree.items())), tuple(parents), past, at, message.split("\n")[0])
        self._made = name
        return name

    def move_refs(self, moves: Mapping[str, tuple[str, str | None]]) -> None:
        self._change("update-ref")
        refs = self.memory.refs
        if any(refs.get(ref) != old for ref, (_, old) in moves.items() if old != ""):
            raise GitError("git update-ref failed: a ref is elsewhere", reason="moved")
        refs |= {ref: new for ref, (new, _) in moves.items() if self._commit(new)}

    # the hidden worktree

    def checked_out_at(self, branch: str) -> str | None:
        return None

    def worktree_branch(self) -> str | None:
        head = self.memory.head
        return head.removeprefix("refs/heads/") if head.startswith("refs/") else None

    def worktree_head(self) -> str | None:
        return self.commit_of(self.memory.head)

    def put_worktree_on(self, branch: str) -> None:
        self._change("symbolic-ref")
        self.memory.head = f"refs/heads/{branch}"

    def worktree_tree(self) -> str | None:
        self._change("write-tree")
        return _id_of(self.memory.index)

    def tree_of(self, commit: str) -> str | None:
        found = self.commit_of(commit)
        return _id_of(self.memory.commits[found].tree) if found else None

    def set_worktree_index(self, commit: str) -> None:
        if self.worktree_git_dir() is None:
            return
        if self._made != commit:
            self._change("read-tree")
        try:
            reach("file.replace")
        except OSError as e:
            raise Disk(f"cannot replace the index: {e.strerror}")
        self.memory.index, self._made = self._commit(commit).tree, ""

    # remotes

    def _at(self, remote: str) -> Memory:
        if remote not in self.memory.remotes:
            raise GitError(f"remote {remote} cannot be reached: it is not there", reason="unreachable")
        return self.memory.remotes[remote]

    def heads(self, remote: str, *branches: str) -> dict[str, str]:
        found = {ref[11:]: at for ref, at in self._at(remote).refs.items() if ref.startswith("refs/heads/")}
        return {branch: at for branch, at in sorted(found.items()) if not branches or branch in branches}

    def fetch(self, remote: str, branch: str, there: str) -> None:
        self._change("fetch")
        at, tip = self._at(remote), self.heads(remote).get(branch)
        if tip is not None:
            self.memory.take(tip, at)
            self.memory.refs[f"refs/remotes/{remote}/{branch}"] = tip
        if there not in self.memory.commits:
            raise GitError(f"remote {remote} cannot be reached: it did not send {there[:10]}", reason="unreachable")

    def push(self, remote: str, branch: str, commit: str) -> tuple[bool, str]:
        self._change("push")
        at, ref = self._at(remote), f"refs/heads/{branch}"
        if ref in at.refs and not self.is_ancestor(at.refs[ref], commit):
            return False, "behind"
        at.take(commit, self.memory)
        at.refs[ref] = commit
        if self.has_remote(remote):
            self.memory.refs[f"refs/remotes/{remote}/{branch}"] = commit
        return True, ""

    def look_into(self, remote: str, tips: Mapping[str, str], folder: str) -> dict[str, dict[str, bytes]]:
        self._change("fetch")
        at = self._at(remote)

        def below(tip: str) -> Iterator[tuple[str, bytes]]:
            for path, (mode, blob) in at.commits[tip].tree.items() if tip in at.commits else ():
                if path.startswith(folder) and mode == PLAIN:
                    yield path.removeprefix(folder), at.blobs[blob]

        return {branch: dict(below(tip)) for branch, tip in tips.items()}


def _id_of(tree: Tree) -> str:
    return hashlib.sha1(repr(sorted(tree.items())).encode()).hexdigest()
