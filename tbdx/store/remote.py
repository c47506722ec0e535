"""What goes over the network: never called while the lock is held, and never silent for long."""

from __future__ import annotations

import os

from tbdx.errors import Git as GitError
from tbdx.store import files
from tbdx.store.objects import PLAIN, Objects, words_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SILENT_S = 25.0  # how long a remote may say nothing
NETWORK_S = 600.0  # the limit of one call to a remote that goes on saying something
# how a server words that another push came between our look at its branch and our turn
_RACES = ("cannot lock ref", "incorrect old value", "failed to update ref", "reference already exists")


class Remote(Objects):
    """The remotes of a clone, by the names that the user's own git settings give them."""

    def _remote(self, remote: str, *args: str, git_dir: str | None = None) -> tuple[int, bytes, str]:
        """A call that goes to a remote: it may take long, but not be silent for long. Raises GitError."""
        mirror = f"remote.{remote}.mirror"  # which takes no branch by name
        settings = ["-c", f"{mirror}=false"] if mirror in self.settings() else []
        try:
            return self.run(*args, git_dir=git_dir, limit_s=NETWORK_S, silent_s=SILENT_S, settings=settings)
        except GitError as e:
            if e.reason != "timeout":
                raise
            raise _unreachable(remote, e.message, "timeout")

    def heads(self, remote: str, *branches: str) -> dict[str, str]:
        """branch -> commit, as the remote itself says now: of the named branches, or of all. Raises GitError."""
        wanted = [f"refs/heads/{branch}" for branch in branches]
        code, out, err = self._remote(remote, "ls-remote", *([] if wanted else ["--heads"]), remote, *wanted)
        if code:
            raise _unreachable(remote, words_of(err))
        rows = [line.partition("\t") for line in out.decode("utf-8", "surrogateescape").splitlines()]
        found = {ref.removeprefix("refs/heads/"): commit for commit, _, ref in rows}
        return {branch: found[branch] for branch in branches if branch in found} if branches else found

    def fetch(self, remote: str, branch: str, there: str) -> None:
        """Fetch the branch, so that the commit that the remote says it has is here. Raises GitError."""
        for last in (False, False, True):
            code, err = self._fetch(remote, f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}")
            if self.commit_of(there):  # another process may have fetched it in that moment
                head = self.branch_tip(branch)
                if head and not self.is_whole(there, head):  # a `git gc` took what no ref held yet
                    self.fetch_again(remote, branch)
                return
            if last:
                raise _unreachable(remote, words_of(err) or f"it did not send {there[:10]}")

    def deepen(self, remote: str, branch: str, commit: str | None) -> None:
        """In a shallow clone, bring the history of the remote's branch, and of a commit that it may not have any more.

        Nothing else is deepened. What the remote does not give stays cut off. Raises GitError.
        """
        for more in ([commit], []) if commit else ([],):
            code, err = self._fetch(remote, f"refs/heads/{branch}", *more, whole=True)
            if not code:
                return
        raise _unreachable(remote, words_of(err))

    def look_into(self, remote: str, tips: Mapping[str, str], folder: str) -> dict[str, dict[str, bytes]]:
        """branch -> {path below `folder`: content} of other branches at their tips. Raises GitError.

        What is not here is fetched into a bare repository of our own that borrows this one's objects: only the tips,
        and no object or ref of theirs comes into the user's.
        """
        aside = self.aside
        if not os.path.exists(f"{aside}/objects/info/alternates"):
            self._make_aside(aside)
        lacking = [b for b, tip in tips.items() if self.run("cat-file", "-e", f"{tip}^{{tree}}", git_dir=aside)[0]]
        if lacking:
            wanted = (f"+refs/heads/{b}:refs/remotes/{remote}/{b}" for b in lacking)
            args = ("fetch", "--progress", "--depth=1", "--no-tags", "--no-recurse-submodules", remote)
            code, _, err = self._remote(remote, *args, *wanted, git_dir=aside)
            if code:
                raise _unreachable(remote, words_of(err))
        out = {}
        for branch, tip in tips.items():
            code, rows, _ = self.run("ls-tree", "-r", "-z", "--full-tree", tip, "--", folder, git_dir=aside)
            blobs = {}
            for row in os.fsdecode(rows).split("\0")[:-1] if not code else []:
                head, _, path = row.partition("\t")
                if head.startswith(f"{PLAIN} blob "):
                    blobs[path.removeprefix(folder)] = head[12:]
            data = self.blobs(blobs.values(), git_dir=aside)
            out[branch] = {path: data[blob] for path, blob in blobs.items()}
        return out

    @property
    def aside(self) -> str:
        """The repository of our own that other branches are looked into."""
        return f"{self.repo.own}/aside.git"

    def _make_aside(self, aside: str, *, alone: bool = False) -> None:
        """A bare repository where the user's settings hold too, for credentials and the like. Unless it is to stand
        alone it borrows the objects of this one."""
        like = self.ask("rev-parse", "--show-object-format").decode().strip()
        given = [] if like == "sha1" else [f"--object-format={like}"]
        code, _, err = self.run("init", "--quiet", "--bare", "--template=", *given, aside, git_dir=aside)
        if code:
            raise GitError(f"git init failed: {words_of(err)}")
        config = files.read(f"{aside}/config").decode()
        text = f"[include]\n\tpath = ../../config\n{config}"
        files.write(f"{aside}/config", os.fsencode(text))
        files.flush(f"{aside}/HEAD")
        files.make_folder(f"{aside}/objects/info")
        if not alone:  # the last: by it a later command knows that all is there
            files.write(f"{aside}/objects/info/alternates", b"../../../objects\n")

    def fetch_again(self, remote: str, branch: str) -> None:
        """Bring all of the branch once more, although git believes to have it. Raises GitError."""
        peer = f"{self.repo.own}/peer.{os.getpid()}.git"
        self._make_aside(peer, alone=True)
        try:
            args = (
                "fetch",
                "--progress",
                "--no-tags",
                "--no-recurse-submodules",
                remote,
                f"+refs/heads/{branch}:refs/heads/x",
            )
            code, _, err = self._remote(remote, *args, git_dir=peer)
            if code:
                raise _unreachable(remote, words_of(err))
            code, pack, err = self.run("pack-objects", "--all", "--stdout", "-q", git_dir=peer)
            if code:
                raise GitError(f"git pack-objects failed: {words_of(err)}")
            self.run("index-pack", "--stdin", stdin=pack)  # refused where a pack of ours has the object, but damaged
            self._take_lacking(peer, "refs/heads/x")
        finally:
            files.discard(peer)

    def _take_lacking(self, peer: str, tip: str) -> None:
        """Store what a commit of another repository needs and cannot be read here. Raises GitError, Disk."""
        listed = self.ask("rev-list", "--objects", tip, git_dir=peer).decode("utf-8", "replace")
        for name in self.unreadable(line.split(" ")[0] for line in listed.splitlines()):
            kind = self.ask("cat-file", "-t", name, git_dir=peer).decode().strip()
            self.put_loose(name, kind, self.ask("cat-file", kind, name, git_dir=peer))

    def _fetch(self, remote: str, *wanted: str, whole: bool = False) -> tuple[int, str]:
        code, _, err = self._remote(
            remote,
            "fetch",
            "--progress",
            "--no-tags",
            "--no-prune",
            "--refmap=",  # what the user's settings would make of the branch, too
            "--no-recurse-submodules",
            *(["--depth=1000000"] if whole else []),
            *(["--keep"] if self.is_collecting() else []),  # as a pack, which no gc takes before a ref holds it
            *(["--no-filter"] if f"remote.{remote}.promisor" in self.settings() else []),
            remote,
            *wanted,
            git_dir=self._fetch_dir(),
        )
        return code, err

    def _fetch_dir(self) -> str:
        """A git folder of our own on the same repository: FETCH_HEAD is written there, and not over the user's.

        It names that by a path from itself: repositories are moved and copied.
        """
        path = f"{self.repo.own}/fetch"
        if not os.path.exists(f"{path}/commondir"):
            files.make_folder(path)
            files.write(f"{path}/HEAD", b"ref: refs/heads/none\n")
            files.write(f"{path}/commondir", b"../..\n")
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
                raise _unreachable(remote, words_of(err))

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
                return False, "behind" if behind else words_of(err) or reason
        raise _unreachable(remote, words_of(err))

    # bundles

    def write_bundle(self, path: str, *branches: str) -> None:
        """Branches with their whole history as one file. Raises GitError."""
        self.ask("bundle", "create", "--quiet", path, *(f"refs/heads/{branch}" for branch in branches))

    def in_bundle(self, path: str, branch: str) -> str | None:
        """The commit of a branch that a bundle has, whose objects `read_bundle` brought; None where it has none."""
        _, out, _ = self.run("bundle", "list-heads", path)
        rows = [line.split(" ", 1) for line in out.decode("utf-8", "replace").splitlines()]
        tip = next((commit for commit, ref in rows if ref == f"refs/heads/{branch}"), None)
        if tip and not self.run("rev-list", "--objects", "--quiet", tip)[0]:
            return tip
        return tip if tip and self._unbundled_aside(path, f"refs/heads/{branch}", tip) else None

    def read_bundle(self, path: str, branch: str) -> str:
        """Bring what a bundle holds of the branch, or of its only one; the commit. Raises GitError for no bundle."""
        code, out, err = self.run("bundle", "list-heads", path)
        rows = [line.split(" ", 1) for line in out.decode("utf-8", "replace").splitlines()]
        found = {ref: commit for commit, ref in rows if ref.startswith("refs/heads/")}
        ref = f"refs/heads/{branch}" if f"refs/heads/{branch}" in found else next(iter(found), "")
        if code or not ref or (len(found) > 1 and ref != f"refs/heads/{branch}"):
            raise GitError(f"{path} is not a bundle of {branch}{f': {words_of(err)}' if code else ''}")
        code, _, err = self.run("bundle", "unbundle", path, ref)  # all of it, what seems to be here too
        if code and not self._unbundled_aside(path, ref, found[ref]):
            raise GitError(
                f"{path} cannot be read: {words_of(err)}", hint="it may be cut short, or need commits not here"
            )
        return found[ref]

    def _unbundled_aside(self, path: str, ref: str, tip: str) -> bool:
        """Read a bundle where no damaged object of ours is in its way, and take from there; False if it is no good."""
        peer = f"{self.repo.own}/peer.{os.getpid()}.git"
        self._make_aside(peer, alone=True)
        try:
            if self.run("bundle", "unbundle", path, ref, git_dir=peer)[0]:
                return False
            self._take_lacking(peer, tip)
            return True
        finally:
            files.discard(peer)


def _unreachable(remote: str, words: str, reason: str = "unreachable") -> GitError:
    return GitError(
        f"remote {remote} cannot be reached: {words}",
        hint="your changes are kept here; sync again later",
        reason=reason,
    )
