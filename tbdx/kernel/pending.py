"""What the hidden worktree holds that the sync branch does not, and how it gets there.

A file that cannot be read as an issue is withheld by name, and the others are committed. What was begun from an older
version than the branch has meets the newer one first, so that no late save takes back what others did.
"""

from __future__ import annotations

from tbdx.core import attic, codec, conflict, merge
from tbdx.core.digest import blob_id
from tbdx.core.entity import COLLECTIONS, CONTENT, IMMUTABLE
from tbdx.errors import BadFile, Sync, TbdxError
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel
from tbdx.kernel.attic import overwritten
from tbdx.kernel.worktree import is_ours, populate, put
from tbdx.store import cache, clean, entities, files
from tbdx.store.objects import PLAIN, STANDS_ON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = "it never changes once it is published; git restores it: delete the file, and sync"
_KIND_IN = {folder: kind for kind, (folder, _) in COLLECTIONS.items()}
MOST = 64 * codec.LARGEST  # bytes in one file that is no issue
_TRIES = 10


class Pending:
    """`changed`: path -> 'A', 'M' or 'D' against a commit. `withheld`: path -> why it must not go out.

    `tree`: path -> blob, as the commit has our files. `blobs`: what each file of `seen` hashes to, '' where that is not
    known. Both are None when nothing had to be read.
    """

    def __init__(self, seen: cache.Seen) -> None:
        self.seen = seen
        self.changed: dict[str, str] = {}
        self.withheld: dict[str, str] = {}
        self.tree: dict[str, str] | None = None
        self.blobs: list[str] | None = None
        self.gone: list[str] = []  # files that the branch has and that never go
        self.was_whole = False  # whether all was well when it was last looked at

    def keeps_names(self) -> bool:
        """Whether no issue came or went, nor ids.yml changed: then no short id can need a repair."""
        named = (letter for path, letter in self.changed.items() if path.startswith(merge.ISSUES))
        return self.was_whole and merge.NAMES not in self.changed and all(letter == "M" for letter in named)


def look(k: Kernel, head: str) -> Pending:
    """Compare the worktree with a commit. Nothing is written."""
    seen, odd = cache.scan_below(k.repo.data)
    found = Pending(seen)
    kept = clean.load(k.repo)
    if kept is not None and not odd and kept.is_still(head, seen):
        return found
    known = kept.blobs(seen) if kept else {}
    entries = k.git.tree(head)
    tree = {path: blob for path, (mode, blob) in entries.items() if is_ours(path, mode)}
    blobs = [""] * len(seen.names)
    there = {merge.DATA + rel for rel in odd}
    for n, rel in enumerate(seen.names):
        path = merge.DATA + rel
        if path not in entries and (rel.endswith((".tmp", ".temp")) or ".lock/" in rel):
            continue
        there.add(path)
        if path in entries and path not in tree:
            continue  # git has something else than a plain file there, and it stays as it is
        if path not in tree and not is_ours(path, PLAIN):
            found.withheld[path] = "not a name that tbdx writes"
            continue
        blob = known.get(rel)
        if not blob or blob != tree.get(path):
            try:
                data = files.read(f"{k.repo.data}/{rel}", MOST)
            except FileNotFoundError:
                return look(k, head)  # it went since the folder was listed
            except TbdxError:
                found.withheld[path] = "cannot be read"
                continue
            blob = blob_id(data, head)
            if blob != tree.get(path):
                why = damage(path, data) or (NEVER if path in tree and never_changes(path) else None)
                if why:
                    found.withheld[path] = why
                    continue
                found.changed[path] = "M" if path in tree else "A"
        blobs[n] = blob
    found.withheld |= {p: what for rel, what in odd.items() if (p := merge.DATA + rel) in tree or p not in entries}
    for path in sorted(tree.keys() - there):
        if is_immutable(path):
            found.gone.append(path)
        else:
            found.changed[path] = "D"
    found.tree, found.blobs = tree, blobs
    found.was_whole = kept is not None and kept.is_whole
    return found


def is_immutable(path: str) -> bool:
    return path[len(merge.DATA) :].startswith(IMMUTABLE)


def never_changes(path: str) -> bool:
    """Whether no change of a published file is let out: of a content what its name says is one, and mends it."""
    return is_immutable(path) and not _is_content(path)


def _is_content(path: str) -> bool:
    return path[len(merge.DATA) :].startswith(CONTENT)


def damage(path: str, data: bytes) -> str | None:
    """Why a file of an entity, or of an artifact's content, must not be published; None when it may."""
    folder, _, name = path.removeprefix(merge.DATA).partition("/")
    if _is_content(path):
        from tbdx.core import kinds

        why = kinds.content_problem(path[len(merge.DATA + CONTENT) :], data)
        return f"{why}; add the artifact again, or delete this file and sync" if why else None
    kind = _KIND_IN.get(folder)
    if kind is None or not name.endswith(".md"):
        return None
    try:
        if kind == "issue":
            codec.parse(codec.decode(data), name[:-3])
        else:
            from tbdx.core import kinds

            kinds.parse(codec.decode(data), kind, name[:-3])
    except BadFile as e:
        return e.message
    return None


def commit(k: Kernel, withheld: dict[str, str], sent: list[str] | None = None) -> str:
    """Commit the worktree's changes to the branch, and give its tip. Called under the lock.

    `withheld` becomes what was left out, and why; `sent` gets the letter of each file that was committed. Raises
    GitError, its reason 'moved', when somebody moved the branch: what the files stand on is not its tip any more.
    """
    git = k.git
    for n in range(_TRIES):
        head = git.branch_tip(k.config.branch)
        if head is None:
            raise Sync(
                f"branch {k.config.branch} cannot be read", hint="repeat the command; tbdx doctor --fix mends it"
            )
        found = _prepared(k, head)
        withheld.clear()
        withheld.update(found.withheld)
        if found.blobs is None:
            return head
        if not found.changed:
            clean.save(k.repo, head, found.seen, found.blobs, is_whole=not withheld)
            return head
        try:
            new = _store(k, head, found)
        except GitError as e:
            if e.reason or n == _TRIES - 1:
                raise
            continue  # a `git gc` took the folder where an object was to lie
        if new is None:
            continue
        clean.save(k.repo, new, found.seen, found.blobs, is_whole=not withheld)
        if sent is not None:
            sent += found.changed.values()
        return new
    raise Sync("files keep changing while they are committed", hint="let the editor rest, then sync again")


def _store(k: Kernel, head: str, found: Pending) -> str | None:
    """Commit what was found to the branch; None when a file is not what it was when it was looked at."""
    git, branch = k.git, f"refs/heads/{k.config.branch}"
    at = dict(zip((merge.DATA + rel for rel in found.seen.names), found.blobs or (), strict=True))
    kept = [path for path, letter in found.changed.items() if letter != "D"]
    try:
        contents = [files.read(f"{k.repo.worktree}/{path}", MOST) for path in kept]
    except (FileNotFoundError, BadFile):
        return None
    stored = git.hash_all(contents)
    if any(at[path] != blob for path, blob in zip(kept, stored, strict=True)):
        return None
    changes: dict[str, str | None] = dict.fromkeys(found.changed)
    changes |= zip(kept, stored, strict=True)
    count = len(changes)
    stamp = k.now()[:19].replace(":", "-")
    new = git.commit_tree(head, changes, [head], f"tbd sync: {stamp} ({count} file{'s' if count != 1 else ''})")
    git.set_worktree_index(new)
    git.move_refs({branch: (new, head), STANDS_ON: (new, "")})
    return new


def _prepared(k: Kernel, head: str) -> Pending:
    """What there is to commit, after mending what can be mended."""
    found = look(k, head)
    if found.blobs is None:
        return found
    if not found.keeps_names():
        k.names.load()
    mended = k.names.changed
    k.names.save()
    gone = [p for p, letter in found.changed.items() if letter == "D" and p.startswith(merge.ISSUES)]
    if len(gone) > 1 and not entities.listing(k.repo):
        k.say("warn", "every issue file was gone from the worktree; they were brought back from the branch")
        populate(k, head)
        mended = True
    mended |= _bring_back(k, found) | _join_unfinished(k, found) | _meet_newer(k, head, found)
    return look(k, head) if mended else found


def _bring_back(k: Kernel, found: Pending) -> bool:
    """Put files that never go where they were: what is absent is not deleted."""
    tree = found.tree or {}
    held = k.git.blobs(tree[path] for path in found.gone)
    for path in found.gone:
        put(k, path, held[tree[path]])
    return bool(found.gone)


def _join_unfinished(k: Kernel, found: Pending) -> bool:
    """Files in which a merge by hand left both versions: where both are good, they meet by our rules."""
    mended = False
    for path in found.withheld:
        try:
            sides = conflict.sides(codec.decode(files.read(files.inside(k.repo.worktree, *path.split("/")))))
        except (FileNotFoundError, TbdxError):
            continue
        if sides and path.startswith(merge.ISSUES) and not any(damage(path, side.encode()) for side in sides):
            ours, theirs = ({path: side.encode()} for side in sides)
            _put_merged(k, {}, ours, theirs)
            k.say("notice", f"{path}: a merge that was left unfinished there was finished")
            mended = True
    return mended


def _meet_newer(k: Kernel, head: str, found: Pending) -> bool:
    """Files that were edited from an older version than the branch has: an editor was open while others synced.

    Which version that was is a guess, as an edit by hand gives none: so what they replace goes to the attic.
    """
    tree = found.tree or {}
    edited = [p for p, letter in found.changed.items() if letter == "M" and p.startswith(merge.ISSUES)]
    newer = k.git.blobs(tree[path] for path in edited)
    mended = False
    for path in edited:
        data, theirs = files.read(f"{k.repo.worktree}/{path}"), newer[tree[path]]
        if _version(data) >= _version(theirs):
            continue
        older = k.git.blobs(k.git.versions(head, path)).values()
        base = next((was for was in older if (_version(was), _when(was)) == (_version(data), _when(data))), None)
        good = None if damage(path, theirs) else theirs
        _put_merged(k, {} if base is None else {path: base}, {path: data}, {path: theirs}, good)
        k.say("notice", f"{path} was edited from an older version; it was merged with the newer one")
        mended = True
    return mended


def _put_merged(
    k: Kernel,
    was: Mapping[str, bytes],
    ours: Mapping[str, bytes],
    theirs: Mapping[str, bytes],
    newer: bytes | None = None,
) -> None:
    """Merge an issue's file, and keep what of its version `newer` is not in the result."""

    def held(path: str) -> bytes | None:
        try:
            return files.read(f"{k.repo.worktree}/{path}", MOST)
        except (FileNotFoundError, TbdxError):
            return None

    merged, _ = merge.merge_trees(was, ours, theirs, held)
    (path,) = theirs
    if newer is not None:
        winner, loser = (codec.parse(codec.decode(data)) for data in (merged[path] or b"", newer))
        merged |= attic.attic_files(overwritten(winner, loser), lambda name: merged.get(name) or held(name))
    for name in sorted(merged, key=lambda name: not name.startswith(attic.FOLDER)):  # what lost comes first
        data = merged[name]
        if data is not None:
            put(k, name, data)


def _version(data: bytes) -> int:
    text = _line(data, b"version")
    return int(text) if text.isdigit() else 0


def _when(data: bytes) -> bytes:
    return _line(data, b"updated_at")


def _line(data: bytes, key: bytes) -> bytes:
    """The plain value of a top-level key; what is quoted or commented in another way is only not found."""
    return data.partition(b"\n" + key + b": ")[2].partition(b"\n")[0].strip(b" \r\"'")
