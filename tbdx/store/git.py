"""Every git call of tbdx, each a function that says what is meant.

All are plumbing on our own branch: no hook, filter, signing, template or locale of the user's has a say, their index
and HEAD are not touched, and options newer than git 2.25 are not used. Each call has a time limit and its own process
group. GitPython serves where its object model helps (`describe`); batches go to git processes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

from tbdx.errors import Git as GitError
from tbdx.errors import TbdxError
from tbdx.store import files
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOCAL_S = 120.0  # the limit of a call that stays on this machine
NETWORK_S = 30.0  # the limit of one call to a remote
OLDEST = (2, 25)
SCAFFOLD = {
    ".tbd/data-sync/issues/.gitkeep": b"",
    ".tbd/data-sync/mappings/.gitattributes": b"ids.yml merge=union\n",
    ".tbd/data-sync/mappings/.gitkeep": b"",
    ".tbd/data-sync/meta.yml": b"schema_version: 1\n",
}
# what a caller's environment may hand on to git; every other GIT_* would point it at another repository or run things
_PASSED = {
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
}
_SET = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
    "GIT_NO_REPLACE_OBJECTS": "1",
}
_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.quotePath=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.symlinks=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "color.ui=false",
    "advice.detachedHead=false",
    "i18n.commitEncoding=UTF-8",
)


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would point git elsewhere, make it prompt, or speak another language."""
    kept = {k: v for k, v in env.items() if not k.startswith("GIT_") or k in _PASSED}
    return kept | {"GIT_ASKPASS": kept.get("GIT_ASKPASS", "true")} | _SET


class Git:
    """Git on one clone. `env` is the caller's environment; it is cleaned here."""

    def __init__(self, repo: Repo, env: Mapping[str, str]) -> None:
        self.repo = repo
        self.env = clean_env(env)

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        git_dir: str | None = None,
        env: Mapping[str, str] | None = None,
        limit_s: float = LOCAL_S,
    ) -> tuple[int, bytes, str]:
        """(exit code, output, what it said). Raises GitError when git is missing or the time is up."""
        settings = [part for setting in _QUIET for part in ("-c", setting)]
        argv = ["git", *settings, f"--git-dir={git_dir or self.repo.common}", *args]
        return run(argv, self.env | dict(env or {}), cwd=self.repo.root, stdin=stdin, limit_s=limit_s)

    def ask(self, *args: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """The output of a call that must succeed. Raises GitError with git's own words."""
        code, out, err = self.run(*args, stdin=stdin, env=env)
        if code:
            raise GitError(f"git {args[0]} failed: {err.strip() or f'exit {code}'}")
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

    def has_remote(self, remote: str) -> bool:
        """True when the user's own git configuration knows the remote; a name alone is never taken for a place."""
        return self.run("config", "--get", f"remote.{remote}.url")[0] == 0

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

    def tree(self, commit: str) -> dict[str, tuple[str, str]]:
        """path -> (mode, blob) of all files of a commit."""
        out = {}
        for row in self.ask("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            head, _, path = row.partition(b"\t")
            mode, _, blob = head.decode().split(" ")
            out[os.fsdecode(path)] = (mode, blob)
        return out

    def differing(self, a: str, b: str) -> dict[str, tuple[str, str]]:
        """path -> (status letter, mode of b) of the files that differ between two commits."""
        out = {}
        fields = self.ask("diff-tree", "-r", "-z", "--no-renames", "--raw", a, b).split(b"\0")[:-1]
        for head, path in zip(fields[::2], fields[1::2], strict=True):
            parts = head.decode().split(" ")
            out[os.fsdecode(path)] = (parts[4][:1], parts[1])
        return out

    def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """The content of blobs, read in one batch."""
        wanted = sorted(set(ids))
        data = self.ask("cat-file", "--batch", stdin="".join(f"{x}\n" for x in wanted).encode())
        out, at = {}, 0
        for name in wanted:
            end = data.index(b"\n", at)
            head = data[at:end].split(b" ")
            if len(head) != 3:
                raise GitError(f"object {name} is missing or damaged", hint="git fsck; then tbdx sync fetches it again")
            size = int(head[2])
            out[name] = data[end + 1 : end + 1 + size]
            at = end + size + 2
        return out

    def content(self, commit: str, paths: Iterable[str] | None = None) -> dict[str, bytes]:
        """path -> bytes of a commit's regular files, or of those among `paths`."""
        tree = {p: blob for p, (mode, blob) in self.tree(commit).items() if mode == "100644"}
        chosen = tree if paths is None else {p: tree[p] for p in paths if p in tree}
        by_id = self.blobs(chosen.values()) if chosen else {}
        return {p: by_id[blob] for p, blob in chosen.items()}

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
                files.write(path, data, durable=False)
            return self.hash_files(paths)
        finally:
            for path in paths:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def commit_tree(
        self,
        base: str | None,
        changes: Mapping[str, str | None],
        parents: Sequence[str],
        message: str,
        *,
        root: bool = False,
    ) -> str:
        """A commit whose tree is that of `base` with `changes` (path -> blob, None: gone), made in a private index.

        With `root` its author and date are constants, so that every clone makes the same first commit.
        """
        files.make_folder(self.repo.scratch)
        index = f"{self.repo.scratch}/index.{os.getpid()}.{os.urandom(4).hex()}"
        private = {"GIT_INDEX_FILE": index}
        try:
            self.ask("read-tree", base or "--empty", env=private)
            gone = "0 " + "0" * len(base or "")
            rows = [os.fsencode(f"{f'100644 {blob}' if blob else gone}	{path}") for path, blob in changes.items()]
            self.ask("update-index", "-z", "--index-info", stdin=b"".join(r + b"\0" for r in rows), env=private)
            tree = self.ask("write-tree", env=private).decode().strip()
        finally:
            with contextlib.suppress(OSError):
                os.unlink(index)
        given = [part for parent in parents for part in ("-p", parent)]
        author = _ROOT_AUTHOR if root else self._author()
        return self.ask("commit-tree", tree, *given, "-m", message, env=author).decode().strip()

    def _author(self) -> dict[str, str]:
        """Who commits: the user as git knows them, else tbdx; never a refusal for want of a name."""
        _, name, _ = self.run("config", "--get", "user.name")
        _, email, _ = self.run("config", "--get", "user.email")
        who = name.decode("utf-8", "replace").strip(_NO_NAME), email.decode("utf-8", "replace").strip(_NO_NAME)
        return _identity(*(who if all(who) else ("tbdx", "tbdx@localhost")))

    def move_branch(self, branch: str, new: str, old: str | None) -> None:
        """Compare and swap. Raises GitError when the branch is no longer at `old` (None: not there yet)."""
        self.ask("update-ref", "-m", "tbdx", f"refs/heads/{branch}", new, old or "")

    def first_commit(self) -> str:
        """The first commit of a sync branch: the same bytes in every clone."""
        blobs = self.hash_all(list(SCAFFOLD.values()))
        changes = dict(zip(SCAFFOLD, blobs, strict=True))
        return self.commit_tree(None, changes, [], "Initialize tbd-sync branch", root=True)

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
        """The branch that the hidden worktree's HEAD names."""
        code, out, _ = self.run("symbolic-ref", "--quiet", "HEAD", git_dir=self.worktree_git_dir())
        return None if code else out.decode().strip().removeprefix("refs/heads/")

    def reset_worktree_index(self, commit: str) -> None:
        """Make the hidden worktree's index say what `commit` holds, so that a real tbd sees no change there."""
        place = {"GIT_WORK_TREE": self.repo.worktree}
        git_dir = self.worktree_git_dir()
        for args in (("read-tree", commit), ("update-index", "-q", "--refresh")):
            self.run(*args, git_dir=git_dir, env=place)

    # the network: never called while the lock is held

    def fetch(self, remote: str, branch: str) -> str | None:
        """Fetch the branch and give its tip; None when the remote has no such branch. Raises GitError."""
        ref = f"refs/heads/{branch}"
        for last in (False, False, True):
            there = self.published(remote, branch)
            if there is None:
                return None
            code, _, err = self.run(
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-prune",
                "--no-recurse-submodules",
                remote,
                f"+{ref}:refs/remotes/{remote}/{branch}",
                git_dir=self._fetch_dir(),
                limit_s=NETWORK_S,
            )
            tip = self.remote_tip(remote, branch)
            if not code or tip == there:  # another process may have fetched it in the same moment
                return tip
            if last:
                raise _unreachable(remote, err)
        return None

    def _fetch_dir(self) -> str:
        """A git folder of our own on the same repository: FETCH_HEAD is written there, and not over the user's."""
        path = f"{self.repo.own}/fetch"
        if not os.path.exists(f"{path}/commondir"):
            files.make_folder(path)
            files.write(f"{path}/HEAD", b"ref: refs/heads/none\n", durable=False)
            files.write(f"{path}/commondir", os.fsencode(f"{self.repo.common}\n"), durable=False)
        return path

    def push(self, remote: str, branch: str, commit: str) -> tuple[bool, str]:
        """(True, '') when the remote took the commit, (False, why) when it refused. Raises GitError when unreachable.

        `why` is 'behind' when the remote has commits that ours lacks, else the server's own words.
        """
        args = (
            "push",
            "--porcelain",
            "--no-verify",
            "--no-recurse-submodules",
            remote,
            f"{commit}:refs/heads/{branch}",
        )
        code, out, err = self.run(*args, limit_s=NETWORK_S)
        if not code:
            return True, ""
        for line in out.decode("utf-8", "replace").split("\n"):
            flag, _, rest = line.partition("\t")
            if flag == "!":
                reason = rest.partition("\t")[2]
                behind = reason.startswith("[rejected]") or any(f"({race}" in reason for race in _RACES)
                return False, "behind" if behind else _words(err) or reason
        raise _unreachable(remote, err)

    def published(self, remote: str, branch: str) -> str | None:
        """The commit that the remote itself says it has. Raises GitError."""
        code, out, err = self.run("ls-remote", remote, f"refs/heads/{branch}", limit_s=NETWORK_S)
        if code:
            raise _unreachable(remote, err)
        return out.decode().split("\t")[0].strip() or None


def _identity(name: str, email: str, date: str | None = None) -> dict[str, str]:
    out = {f"GIT_{who}_{what}": v for who in ("AUTHOR", "COMMITTER") for what, v in (("NAME", name), ("EMAIL", email))}
    return out | ({"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {})


# how a server words that another push came between our look at its branch and our turn
_RACES = ("cannot lock ref", "incorrect old value", "failed to update ref", "reference already exists")
_NO_NAME = "".join(map(chr, range(33))) + ".,:;<>\"\\'"  # what git strips from names; nothing else is no name to it
_ROOT_AUTHOR = _identity("tbdx", "tbdx@localhost", "@0 +0000")


def _unreachable(remote: str, err: str) -> GitError:
    return GitError(
        f"remote {remote} cannot be reached: {_words(err)}", hint="your changes are kept here; sync again later"
    )


def _words(err: str) -> str:
    """What a server said, on one line, without git's own prefixes and without passwords in URLs."""
    import re

    lines = [
        x.strip().removeprefix("remote:").removeprefix("error:").removeprefix("fatal:").strip()
        for x in err.splitlines()
    ]
    text = "; ".join(x for x in lines if x and not x.startswith("hint:"))
    return re.sub(r"://[^/@\s]+@", "://", text)[:500]


def run(
    argv: Sequence[str], env: Mapping[str, str], *, cwd: str, stdin: bytes = b"", limit_s: float = LOCAL_S
) -> tuple[int, bytes, str]:
    """Run one program in a process group of its own; the group is killed when the time is up or we are interrupted."""
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise GitError("git is not installed, or not on PATH", hint=f"install git {OLDEST[0]}.{OLDEST[1]} or newer")
    try:
        out, err = child.communicate(stdin, timeout=limit_s)
    except BaseException as e:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        if isinstance(e, subprocess.TimeoutExpired):
            what = next((a for a in argv[1:] if not a.startswith("-") and "=" not in a), "")
            raise GitError(f"git {what} took longer than {limit_s:.0f} s and was ended", hint="sync again later")
        raise
    return child.returncode, out, err.decode("utf-8", "replace")


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
