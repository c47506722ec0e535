"""Every git call of tbdx, each a function that says what is meant.

All are plumbing on our own branch: no hook, filter, signing, template or locale of the user's has a say, their index
and HEAD are not touched, and options newer than git 2.25 are not used. What is stored is flushed before a branch is
moved to it. GitPython serves where its object model helps (`describe`); batches go to git processes.

The kernel uses `Git` alone; the tests have another one in memory with the same face (`tests/sim/memory_git.py`).
"""

from __future__ import annotations

import os

from tbdx.errors import Disk, TbdxError
from tbdx.errors import Git as GitError
from tbdx.store import files
from tbdx.store.failpoint import reach
from tbdx.store.layout import Repo
from tbdx.store.process import clean_env, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

LOCAL_S = 120.0  # the limit of a call that stays on this machine
SILENT_S = 25.0  # how long a remote may say nothing
NETWORK_S = 600.0  # the limit of one call to a remote that goes on saying something
OLDEST = (2, 25)
PLAIN = "100644"  # the mode of the files that we write and read
BACKUP = "refs/tbdx/backup/"
STANDS_ON = "refs/tbdx/stands-on"  # the commit whose files were last put into the hidden worktree
SCAFFOLD = {
    ".tbd/data-sync/issues/.gitkeep": b"",
    ".tbd/data-sync/mappings/.gitattributes": b"ids.yml merge=union\n",
    ".tbd/data-sync/mappings/.gitkeep": b"",
    ".tbd/data-sync/meta.yml": b"schema_version: 1\n",
}
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
    "push.followTags=false",
    "advice.detachedHead=false",
    "i18n.commitEncoding=UTF-8",
)
_SETTINGS = [part for setting in _QUIET for part in ("-c", setting)]
# objects and refs are flushed: the second for gits from 2.36 on, which call the first one old on stderr
_FLUSHED = ["-c", "core.fsyncObjectFiles=true", "-c", "core.fsync=objects,derived-metadata,reference"]
_STORES = {"hash-object", "write-tree", "commit-tree", "update-ref", "fetch", "index-pack"}
_CHANGES = _STORES | {"push", "worktree", "read-tree", "update-index", "symbolic-ref", "bundle"}


class Change:
    """A file that differs: git's letter, its mode now, its blob before and now (None: no plain file), its id now."""

    __slots__ = ("id", "letter", "mode", "new", "old")

    def __init__(self, letter: str, mode: str, old: str | None, new: str | None, id: str) -> None:
        self.letter, self.mode, self.old, self.new, self.id = letter, mode, old, new, id


class Git:
    """Git on one clone. `env` is the caller's environment; it is cleaned here. `heard` gets git's progress."""

    def __init__(self, repo: Repo, env: Mapping[str, str], heard: Callable[[bytes], None] | None = None) -> None:
        self.repo = repo
        self.env = clean_env(env)
        self.heard = heard
        self._known: dict[str, list[str]] | None = None
        self._index: tuple[str, str] | None = None  # (commit, a private index that holds its tree)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        git_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        limit_s: float = LOCAL_S,
        silent_s: float | None = None,
    ) -> tuple[int, bytes, str]:
        """(exit code, output, what it said). Raises GitError when git is missing or the time is up."""
        flushed = _FLUSHED if args[0] in _STORES else []
        argv = ["git", *_SETTINGS, *flushed, f"--git-dir={git_dir or self.repo.common}", *args]
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
            raise GitError(f"git {args[0]} failed: {_words(err) or f'exit {code}'}")
        return out

    def _remote(self, remote: str, *args: str, git_dir: str | None = None) -> tuple[int, bytes, str]:
        """A call that goes to a remote: it may take long, but not be silent for long. Raises GitError."""
        try:
            return self.run(*args, git_dir=git_dir, limit_s=NETWORK_S, silent_s=SILENT_S)
        except GitError as e:
            if e.reason != "timeout":
                raise
            raise _unreachable(remote, e.message, "timeout")

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
            wanted = r"^(user\.(name|email)|remote\..*\.(url|pushurl|promisor))$"
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
        out = self.ask("rev-list", "--parents", "--topo-order", "--reverse", *ends, f"^{base}")
        rows = [line.split(" ") for line in out.decode().splitlines()]
        if all(len(row) < 3 for row in rows):
            return [(row[0], row[1:], {}) for row in rows]
        pairs = "".join(f"{row[0]} {row[1]}\n" if len(row) > 1 else f"{row[0]}\n" for row in rows)
        fields = self.ask(
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
        for row in os.fsdecode(self.ask("ls-tree", "-r", "-z", "--full-tree", commit)).split("\0")[:-1]:
            head, _, path = row.partition("\t")
            out[path] = (head[:6], head[12:])
        return out

    def differing(self, a: str | None, b: str) -> dict[str, Change]:
        """path -> change, of the files that differ between two commits; `a` None: all of `b` is new."""
        if a is None:
            rows = self.tree(b).items()
            return {p: Change("A", mode, None, blob if mode == PLAIN else None, blob) for p, (mode, blob) in rows}
        out = {}
        fields = os.fsdecode(self.ask("diff-tree", "-r", "-z", "--no-renames", "--raw", a, b)).split("\0")[:-1]
        for head, path in zip(fields[::2], fields[1::2], strict=True):
            old_mode, mode, old, new, letter = head[1:].split(" ")
            was, now = old if old_mode == PLAIN else None, new if mode == PLAIN else None
            out[path] = Change(letter[:1], mode, was, now, new)
        return out

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The content of blobs, read in one batch. Raises GitError, its reason 'damaged', for one that is not there."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        code, data, err = self.run("cat-file", "--batch", stdin="".join(f"{x}\n" for x in wanted).encode())
        out, at = {}, 0
        for name in wanted:
            end = data.find(b"\n", at)
            head = data[at:end].split(b" ")
            if end < 0 or len(head) != 3:
                raise GitError(
                    f"object {name} of the sync branch is missing or damaged{f': {_words(err)}' if err else ''}",
                    hint="tbdx doctor --fix fetches it again from the remote; git fsck tells what else is damaged",
                    reason="damaged",
                )
            size = int(head[2])
            out[name] = data[end + 1 : end + 1 + size]
            at = end + size + 2
        if code:
            raise GitError(f"git cat-file failed: {_words(err)}")
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

    def hash_files(self, paths: Sequence[str]) -> list[str]:
        """Store files as blobs, byte for byte, in one batch; their ids in the same order."""
        if not paths:
            return []
        listed = "".join(f"{p}\n" for p in paths)
        out = self.ask("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=os.fsencode(listed))
        return out.decode().split()

    def hash_all(self, contents: Sequence[bytes]) -> list[str]:
        """Store contents as blobs; their ids in the same order."""
        files.make_folder(self.repo.scratch)
        paths = [f"{self.repo.scratch}/blob.{os.getpid()}.{n}" for n in range(len(contents))]
        try:
            for path, data in zip(paths, contents, strict=True):
                files.write_new(path, data, durable=False)
            return self.hash_files(paths)
        except OSError as e:
            raise Disk(f"cannot write below {self.repo.scratch}: {e.strerror}", hint=files.hint_for(e))
        finally:
            for path in paths:
                files.discard(path)

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
            private = {"GIT_INDEX_FILE": index}
            gone = "0 " + "0" * len(base or "")
            of = {p: gone if x is None else x if " " in x else f"{PLAIN} {x}" for p, x in changes.items()}
            rows = [os.fsencode(f"{what}\t{path}") for path, what in of.items()]
            self.ask("update-index", "-z", "--index-info", stdin=b"".join(r + b"\0" for r in rows), env=private)
            tree = self.ask("write-tree", env=private).decode().strip()
            given = [part for parent in parents for part in ("-p", parent)]
            by = author or self._author()
            commit = self.ask("commit-tree", tree, *given, "-m", message, env=by).decode().strip()
        except BaseException:
            files.discard(index)
            raise
        self._keep_index(commit, index)
        return commit

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

    def _author(self) -> dict[str, str]:
        known = self.settings()
        name, email = ((known.get(f"user.{x}") or [""])[-1].strip(_NO_NAME) for x in ("name", "email"))
        return identity(name, email) if name and email else identity("tbdx", "tbdx@localhost")

    def move_refs(self, moves: Mapping[str, tuple[str, str | None]]) -> None:
        """Move refs, all or none: ref -> (new, old); old None: it must not be there yet, '': wherever it is.

        Raises GitError, its reason 'moved', when one is not where it was thought to be.
        """
        rows = [f"update {ref}\0{new}\0{'0' * len(new) if old is None else old}\0" for ref, (new, old) in moves.items()]
        code, _, err = self.run("update-ref", "-m", "tbdx", "-z", "--stdin", stdin="".join(rows).encode())
        if code:
            there = self.refs(*moves)
            moved = any(there.get(ref) != old for ref, (_, old) in moves.items() if old != "")
            raise GitError(f"git update-ref failed: {_words(err)}", reason="moved" if moved else "")

    def first_commit(self) -> str:
        """The first commit of a sync branch: the same bytes in every clone."""
        blobs = self.hash_all(list(SCAFFOLD.values()))
        changes = dict(zip(SCAFFOLD, blobs, strict=True))
        return self.commit_tree(None, changes, [], "Initialize tbd-sync branch", author=_ROOT_AUTHOR)

    # the hidden worktree

    def add_worktree(self, branch: str) -> None:
        """Register the hidden worktree on the branch, with no files yet."""
        taken = self.checked_out_at(branch)
        if taken:
            raise GitError(
                f"branch {branch} is checked out at {taken}; tbdx keeps it in a worktree of its own",
                hint=f"git -C {taken} switch another branch first",
            )
        self.ask("worktree", "add", "--quiet", "--force", "--no-checkout", self.repo.worktree, branch)

    def tie_worktree(self, branch: str) -> None:
        """Make a folder that is there already the hidden worktree: an old registration serves, else a new one."""
        place = f"{self.repo.worktree}/.git"
        for name in sorted(os.listdir(f"{self.repo.common}/worktrees")) if self._has_worktrees() else []:
            own = f"{self.repo.common}/worktrees/{name}"
            try:
                if os.fsdecode(files.read(f"{own}/gitdir", 4096)).rstrip("\n") == place:
                    break
            except (OSError, TbdxError):
                continue
        else:
            made = f"{self.repo.scratch}/{os.urandom(4).hex()}/{os.path.basename(self.repo.worktree)}"
            files.make_folder(os.path.dirname(made))
            self.ask("worktree", "add", "--quiet", "--force", "--no-checkout", made, branch)
            own = os.fsdecode(files.read(f"{made}/.git", 4096)).removeprefix("gitdir: ").rstrip("\n")
            files.write(f"{own}/gitdir", os.fsencode(f"{place}\n"))
            files.remove_tree(os.path.dirname(made))
        files.write(place, os.fsencode(f"gitdir: {own}\n"), scratch=self.repo.scratch)

    def _has_worktrees(self) -> bool:
        return os.path.isdir(f"{self.repo.common}/worktrees")

    def worktree_git_dir(self) -> str | None:
        """The git folder of the hidden worktree, None when it is not one."""
        try:
            pointer = files.read(f"{self.repo.worktree}/.git", 4096).decode("utf-8", "surrogateescape")
        except (OSError, TbdxError):
            return None
        path = pointer.removeprefix("gitdir: ").rstrip("\n")
        path = os.path.normpath(os.path.join(self.repo.worktree, path))
        return path if pointer.startswith("gitdir: ") and os.path.isdir(path) else None

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
        self.ask("symbolic-ref", "-m", "tbdx", "HEAD", f"refs/heads/{branch}", git_dir=self.worktree_git_dir())

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
        files.replace(self._index[1], f"{own}/index")
        self._index = None

    # the network: never called while the lock is held

    def heads(self, remote: str, *branches: str) -> dict[str, str]:
        """branch -> commit, as the remote itself says now: of the named branches, or of all. Raises GitError."""
        wanted = [f"refs/heads/{branch}" for branch in branches]
        code, out, err = self._remote(remote, "ls-remote", *([] if wanted else ["--heads"]), remote, *wanted)
        if code:
            raise _unreachable(remote, _words(err))
        rows = [line.partition("\t") for line in out.decode("utf-8", "surrogateescape").splitlines()]
        found = {ref.removeprefix("refs/heads/"): commit for commit, _, ref in rows}
        return {branch: found[branch] for branch in branches if branch in found} if branches else found

    def fetch(self, remote: str, branch: str, there: str, *, whole: bool = False) -> str:
        """Fetch the branch, which was seen to be `there`, and give its tip. Raises GitError.

        `whole` brings the history that a shallow clone lacks, of this branch alone.
        """
        for last in (False, False, True):
            code, err = self._fetch(remote, f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}", whole=whole)
            tip = self.remote_tip(remote, branch)
            if tip is not None and (not code or tip == there):  # another process may have fetched it in that moment
                return tip
            if last:
                break
        raise _unreachable(remote, _words(err))

    def fetch_commits(self, remote: str, branches: Sequence[str]) -> None:
        """Bring the tips of other branches, under no name. Raises GitError."""
        code, err = self._fetch(remote, *(f"refs/heads/{branch}" for branch in branches))
        if code:
            raise _unreachable(remote, _words(err))

    def _fetch(self, remote: str, *wanted: str, whole: bool = False) -> tuple[int, str]:
        code, _, err = self._remote(
            remote,
            "fetch",
            "--progress",
            "--no-tags",
            "--no-prune",
            "--no-recurse-submodules",
            *(["--depth=2147483647"] if whole else []),
            *(["--no-filter"] if f"remote.{remote}.promisor" in self.settings() else []),
            remote,
            *wanted,
            git_dir=self._fetch_dir(),
        )
        return code, err

    def _fetch_dir(self) -> str:
        """A git folder of our own on the same repository: FETCH_HEAD is written there, and not over the user's."""
        path = f"{self.repo.own}/fetch"
        if not os.path.exists(f"{path}/commondir"):
            files.make_folder(path)
            files.write(f"{path}/HEAD", b"ref: refs/heads/none\n", durable=False)
            files.write(f"{path}/commondir", os.fsencode(f"{self.repo.common}\n"), durable=False)
        return path

    def fetch_missing(self, remote: str, commit: str) -> None:
        """In a partial clone, bring the objects of a commit's tree that are not here yet, in one batch."""
        if f"remote.{remote}.promisor" not in self.settings():
            return
        out = self.ask("rev-list", "--objects", "--no-walk", "--missing=print", commit)
        missing = [line[1:].decode() for line in out.splitlines() if line[:1] == b"?"]
        for n in range(0, len(missing), 500):
            code, err = self._fetch(remote, *missing[n : n + 500])
            if code:
                raise _unreachable(remote, _words(err))

    def push(self, remote: str, branch: str, commit: str) -> tuple[bool, str]:
        """(True, '') when the remote took the commit, (False, why) when it refused. Raises GitError when unreachable.

        `why` is 'behind' when the remote has commits that ours lacks, else the server's own words.
        """
        args = ("push", "--progress", "--porcelain", "--no-verify", "--no-recurse-submodules", remote)
        code, out, err = self._remote(remote, *args, f"{commit}:refs/heads/{branch}")
        if not code:
            return True, ""
        for line in out.decode("utf-8", "replace").split("\n"):
            flag, _, rest = line.partition("\t")
            if flag == "!":
                reason = rest.partition("\t")[2]
                behind = reason.startswith("[rejected]") or any(f"({race}" in reason for race in _RACES)
                return False, "behind" if behind else _words(err) or reason
        raise _unreachable(remote, _words(err))

    # bundles

    def write_bundle(self, path: str, branch: str) -> None:
        """The branch with its whole history as one file. Raises GitError."""
        self.ask("bundle", "create", "--quiet", path, f"refs/heads/{branch}")

    def read_bundle(self, path: str) -> str:
        """Bring what a bundle holds; the commit of its one branch. Raises GitError for what is no bundle of ours."""
        code, out, err = self.run("bundle", "list-heads", path)
        rows = [line.split(" ", 1) for line in out.decode("utf-8", "replace").splitlines()]
        if code or len(rows) != 1 or not rows[0][1].startswith("refs/heads/"):
            raise GitError(f"{path} is not a bundle of one branch{f': {_words(err)}' if code else ''}")
        code, _, err = self.run("fetch", "--no-tags", "--no-prune", path, rows[0][1], git_dir=self._fetch_dir())
        if code:
            raise GitError(f"{path} cannot be read: {_words(err)}")
        return rows[0][0]


def identity(name: str, email: str, date: str | None = None) -> dict[str, str]:
    """An author and committer for `commit_tree`; `date` as git takes it, now unless given."""
    out = {f"GIT_{who}_{what}": v for who in ("AUTHOR", "COMMITTER") for what, v in (("NAME", name), ("EMAIL", email))}
    return out | ({"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {})


# how a server words that another push came between our look at its branch and our turn
_RACES = ("cannot lock ref", "incorrect old value", "failed to update ref", "reference already exists")
_NO_NAME = "".join(map(chr, range(33))) + ".,:;<>\"\\'"  # what git strips from names; nothing else is no name to it
_ROOT_AUTHOR = identity("tbdx", "tbdx@localhost", "@0 +0000")


def _unreachable(remote: str, words: str, reason: str = "unreachable") -> GitError:
    return GitError(
        f"remote {remote} cannot be reached: {words}",
        hint="your changes are kept here; sync again later",
        reason=reason,
    )


def _words(err: str) -> str:
    """What git or a server said, on one line: without prefixes, progress, advice, and passwords in URLs."""
    import re

    said = []
    for line in err.splitlines():
        text = re.sub(r"^(remote: *|error: *|fatal: *)+", "", line.rpartition("\r")[2]).strip()
        passing = re.match(r"(hint|warning):|Total \d|[\w ]+: +(\d+%|\d+(, done\.)?$)|To |Everything up-to-date", text)
        if text and not passing:
            said.append(text)
    return re.sub(r"://[^/@\s]+@", "://", "; ".join(said))[:500]


def version(env: Mapping[str, str]) -> tuple[str, tuple[int, ...]]:
    """('2.39.5 (Apple Git-154)', (2, 39)): git's version as text and its first two numbers. Raises GitError."""
    _, out, _ = run(["git", "version"], clean_env(env), cwd="/", limit_s=10)
    text = out.decode("utf-8", "replace").strip().removeprefix("git version ")
    numbers = text.split(" ")[0].split(".")
    return text, tuple(int(n) if n.isdigit() else 0 for n in numbers[:2])


def describe(root: str) -> dict[str, object]:
    """What a person asks about their repository: branch (None when detached), whether it has commits, remotes."""
    try:
        import git as gitpython
    except ImportError as e:  # it looks for the git program when it is imported
        raise GitError(f"git is not installed, or not on PATH: {str(e).splitlines()[0]}")

    repo = gitpython.Repo(root, search_parent_directories=True)
    with repo:
        detached = repo.head.is_detached
        return {
            "branch": None if detached else repo.active_branch.name,
            "detached": detached,
            "unborn": not repo.head.is_valid(),
            "remotes": [r.name for r in repo.remotes],
        }
