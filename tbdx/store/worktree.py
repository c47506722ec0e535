"""The hidden worktree as git sees it, and the commits that are made of its files.

Its index is made beside and moved into place. It also serves for the tree of the next commit, so that what did not
change is not looked at again.
"""

from __future__ import annotations

import os

from tbdx.errors import Git as GitError
from tbdx.errors import TbdxError
from tbdx.store import files
from tbdx.store.objects import PLAIN, Objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCAFFOLD = {
    ".tbd/data-sync/issues/.gitkeep": b"",
    ".tbd/data-sync/mappings/.gitattributes": b"ids.yml merge=union\n",
    ".tbd/data-sync/mappings/.gitkeep": b"",
    ".tbd/data-sync/meta.yml": b"schema_version: 1\n",
}


class Worktree(Objects):
    """The hidden worktree of a clone."""

    _index: tuple[str, str] | None = None  # (commit, a private index that holds its tree)

    def commit_tree(
        self,
        base: str | None,
        changes: Mapping[str, str | None],
        parents: Sequence[str],
        message: str,
        *,
        author: Mapping[str, str] | None = None,
    ) -> str:
        """A commit whose tree is that of `base` with `changes`, made in a private index.

        A change is path -> blob, `mode id` for what is no plain file, or None for a path that is gone.

        Without an `author` (`identity`) it is the user as git knows them, else tbdx; never a refusal for want of a
        name.
        """
        index = self._private_index(base)
        try:
            commit = self._commit(index, base, changes, parents, message, author or self._author())
        except BaseException:
            files.discard(index)
            raise
        self._keep_index(commit, index)
        return commit

    def commit_apart(
        self, base: str | None, changes: Mapping[str, str | None], parents: Sequence[str], message: str
    ) -> str:
        """The same for a branch that no worktree has: the hidden worktree's index is no help, and is left alone."""
        files.make_folder(self.repo.scratch)
        index = f"{self.repo.scratch}/index.{os.getpid()}.{os.urandom(4).hex()}"
        try:
            self.ask("read-tree", base or "--empty", env={"GIT_INDEX_FILE": index})
            return self._commit(index, base, changes, parents, message, self._author())
        finally:
            files.discard(index)

    def _commit(
        self,
        index: str,
        base: str | None,
        changes: Mapping[str, str | None],
        parents: Sequence[str],
        message: str,
        author: Mapping[str, str],
    ) -> str:
        private = {"GIT_INDEX_FILE": index}
        gone = "0 " + "0" * len(base or "")
        of = {p: gone if x is None else x if " " in x else f"{PLAIN} {x}" for p, x in changes.items()}
        rows = [os.fsencode(f"{what}\t{path}") for path, what in of.items()]
        self.ask("update-index", "-z", "--index-info", stdin=b"".join(r + b"\0" for r in rows), env=private)
        tree = self.ask("write-tree", env=private).decode().strip()
        given = [part for parent in parents for part in ("-p", parent)]
        return self.ask("commit-tree", tree, *given, "-m", message, env=author).decode().strip()

    def _author(self) -> dict[str, str]:
        known = self.settings()
        name, email = ((known.get(f"user.{x}") or [""])[-1].strip(_NO_NAME) for x in ("name", "email"))
        return identity(name, email) if name and email else identity("tbdx", "tbdx@localhost")

    def _private_index(self, commit: str | None) -> str:
        """A new index that holds a commit's tree; from the hidden worktree's, so that it knows unchanged files still.

        That one may be damaged, or locked by a process long dead: then it is made of the commit alone.
        """
        files.make_folder(self.repo.scratch)
        index = f"{self.repo.scratch}/index.{os.getpid()}.{os.urandom(4).hex()}"
        private = {"GIT_INDEX_FILE": index, "GIT_WORK_TREE": self.repo.worktree}
        own = self.worktree_git_dir()
        if own and commit:
            try:
                files.write_new(index, files.read(f"{own}/index", 1 << 30), durable=False)
                if not self.run("read-tree", "--reset", commit, git_dir=own, env=private)[0]:
                    return index
            except (OSError, TbdxError):
                pass
            files.discard(index)
        self.ask("read-tree", commit or "--empty", env={"GIT_INDEX_FILE": index})
        return index

    def _keep_index(self, commit: str, index: str) -> None:
        if self._index:
            files.discard(self._index[1])
        self._index = (commit, index)

    def first_commit(self) -> str:
        """The first commit of a sync branch: the same bytes in every clone."""
        blobs = self.hash_all(list(SCAFFOLD.values()))
        changes = dict(zip(SCAFFOLD, blobs, strict=True))
        return self.commit_tree(None, changes, [], "Initialize tbd-sync branch", author=_ROOT_AUTHOR)

    def checked_out_at(self, branch: str) -> str | None:
        """Another worktree in which the branch is checked out."""
        path = ""
        for line in self.ask("worktree", "list", "--porcelain").decode("utf-8", "surrogateescape").split("\n"):
            if line.startswith("worktree "):
                path = line[9:]
            elif line == f"branch refs/heads/{branch}":
                here = os.path.exists(path) and os.path.realpath(path) != os.path.realpath(self.repo.worktree)
                return path if here else None
        return None

    def add_worktree(self, branch: str) -> None:
        """Register the hidden worktree on the branch, with no files yet."""
        taken = self.checked_out_at(branch)
        if taken:
            raise GitError(
                f"branch {branch} is checked out at {taken}; tbdx keeps it in a worktree of its own",
                hint=f"git -C {taken} switch another branch first",
            )
        self.ask("worktree", "add", "--quiet", "--force", "--no-checkout", self.repo.worktree, branch)
        self._flush_tie()

    def tie_worktree(self, branch: str) -> None:
        """Make a folder that is there already the hidden worktree: an old registration serves, else a new one.

        An old one may name another place: that from which the whole repository was moved or copied.
        """
        place = f"{self.repo.worktree}/.git"
        own = self._registration()
        if own is None:
            made = f"{self.repo.scratch}/{os.urandom(4).hex()}/{os.path.basename(self.repo.worktree)}"
            files.make_folder(os.path.dirname(made))
            self.ask("worktree", "add", "--quiet", "--force", "--no-checkout", made, branch)
            own = os.fsdecode(files.read(f"{made}/.git", 4096)).removeprefix("gitdir: ").rstrip("\n")
            files.discard(os.path.dirname(made))
        self._refill(own, branch)
        files.write(f"{own}/gitdir", os.fsencode(f"{place}\n"), scratch=self.repo.scratch)
        files.write(place, os.fsencode(f"gitdir: {own}\n"), scratch=self.repo.scratch)
        self._flush_tie()

    def _refill(self, own: str, branch: str) -> None:
        """What git does not flush, and a power loss may have emptied."""
        for name, text in (("HEAD", f"ref: refs/heads/{branch}\n"), ("commondir", "../..\n")):
            if _is_blank(f"{own}/{name}"):
                files.write(f"{own}/{name}", text.encode())

    def _flush_tie(self) -> None:
        """Make last what git wrote to tie the worktree to the repository."""
        own = self.worktree_git_dir()
        for path in (f"{self.repo.worktree}/.git", f"{own}/HEAD", f"{own}/commondir", f"{own}/gitdir"):
            files.flush(path)

    def _registration(self) -> str | None:
        """The git folder of a worktree of this repository that is called like the hidden one."""
        folder = f"{self.repo.common}/worktrees"
        tail = f"/{os.path.basename(self.repo.worktree)}/.git"
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            try:
                if os.fsdecode(files.read(f"{folder}/{name}/gitdir", 4096)).rstrip("\n").endswith(tail):
                    return f"{folder}/{name}"
            except (OSError, TbdxError):
                continue
        return None

    def worktree_git_dir(self) -> str | None:
        """The git folder of the hidden worktree, None when it is none of this repository's, as in a copied one."""
        try:
            pointer = files.read(f"{self.repo.worktree}/.git", 4096).decode("utf-8", "surrogateescape")
        except (OSError, TbdxError):
            return None
        path = pointer.removeprefix("gitdir: ").rstrip("\n")
        path = os.path.normpath(os.path.join(self.repo.worktree, path))
        try:
            is_ours = os.path.samefile(os.path.dirname(os.path.dirname(path)), self.repo.common)
        except OSError:
            return None
        whole = is_ours and not _is_blank(f"{path}/HEAD") and not _is_blank(f"{path}/commondir")
        return path if pointer.startswith("gitdir: ") and whole else None

    def worktree_branch(self) -> str | None:
        """The branch that the hidden worktree's HEAD names, None when it is detached."""
        code, out, _ = self.run("symbolic-ref", "--quiet", "HEAD", git_dir=self.worktree_git_dir())
        return None if code else out.decode().strip().removeprefix("refs/heads/")

    def worktree_head(self) -> str | None:
        """The commit of the hidden worktree's HEAD, whatever it names."""
        code, out, _ = self.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", git_dir=self.worktree_git_dir())
        return None if code else out.decode().strip()

    def put_worktree_on(self, branch: str) -> None:
        """Let the hidden worktree's HEAD name the branch; no file is touched."""
        own = self.worktree_git_dir()
        self.ask("symbolic-ref", "-m", "tbdx", "HEAD", f"refs/heads/{branch}", git_dir=own)
        files.flush(f"{own}/HEAD")

    def worktree_tree(self) -> str | None:
        """The tree that the hidden worktree's index holds; None when it holds none."""
        own = self.worktree_git_dir()
        code, out, _ = self.run("write-tree", git_dir=own, env={"GIT_WORK_TREE": self.repo.worktree})
        return None if code else out.decode().strip()

    def tree_of(self, commit: str) -> str | None:
        code, out, _ = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", commit + "^{tree}")
        return None if code else out.decode().strip()

    def set_worktree_index(self, commit: str) -> None:
        """Make the hidden worktree's index say what `commit` holds, so that a real tbd sees no change there.

        It is made beside and moved into place, past a lock that a dead process may have left. Raises GitError, Disk.
        """
        own = self.worktree_git_dir()
        if own is None:
            return
        if self._index is None or self._index[0] != commit:
            self._keep_index(commit, self._private_index(commit))
        assert self._index
        files.flush(self._index[1])
        files.replace(self._index[1], f"{own}/index")
        self._index = None


def _is_blank(path: str) -> bool:
    """Whether a small file is not there, or has nothing in it."""
    try:
        return not files.read(path, 4096).strip(b"\0\n")
    except (OSError, TbdxError):
        return True


def identity(name: str, email: str, date: str | None = None) -> dict[str, str]:
    """An author and committer for `commit_tree`; `date` as git takes it, now unless given."""
    out = {f"GIT_{who}_{what}": v for who in ("AUTHOR", "COMMITTER") for what, v in (("NAME", name), ("EMAIL", email))}
    return out | ({"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {})


_NO_NAME = "".join(map(chr, range(33))) + ".,:;<>\"\\'"  # what git strips from names; nothing else is no name to it
_ROOT_AUTHOR = identity("tbdx", "tbdx@localhost", "@0 +0000")
