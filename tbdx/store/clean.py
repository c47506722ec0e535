"""What was found when the hidden worktree's files were last compared with a commit: each file's look, and its blob.

Kept in the cache. While nothing looks otherwise, there is nothing to read, to hash or to commit.
"""

from __future__ import annotations

from tbdx.store import cache
from tbdx.store.layout import Repo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tbdx.store.cache import Seen

_NAME = "worktree"


class Clean:
    """`commit` is what the files were compared with, and whether all of them were as it has them (`is_whole`)."""

    def __init__(self, commit: str, is_whole: bool, files: bytes, blobs: list[str]) -> None:
        self.commit, self.is_whole, self._files, self._blobs = commit, is_whole, files, blobs

    def is_still(self, commit: str, seen: Seen) -> bool:
        """Whether the worktree is known to be as `commit` has it."""
        return self.is_whole and commit == self.commit and seen.is_as(self._files)

    def blobs(self, seen: Seen) -> dict[str, str]:
        """name -> blob of the files that look as they did."""
        import marshal

        names, stats = marshal.loads(self._files)
        before, now = cache.by_name(names, stats), cache.by_name(seen.names, seen.stats)
        return {name: blob for name, blob in zip(names, self._blobs, strict=True) if before[name] == now.get(name)}


def load(repo: Repo) -> Clean | None:
    kept = cache.opened(repo, _NAME)
    if kept is None:
        return None
    try:
        commit, is_whole = kept.get("commit")
        return Clean(commit, is_whole, b"".join(kept.parts("files")), kept.get("blobs"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        kept.close()


def save(repo: Repo, commit: str, seen: Seen, blobs: list[str], *, is_whole: bool) -> None:
    """`blobs` are those of the names that were seen, '' where a file is to be read again."""
    rows = (("commit", (commit, is_whole)), ("files", (seen.names, seen.settled())), ("blobs", blobs))
    cache.write(repo, _NAME, rows)
