"""Bringing the hidden worktree and the sync branch to where a sync can begin. Called under the lock.

What can be proved safe is done: the old tip is first kept under a backup ref, nothing is deleted, and what the branch
must come to hold again is noted as the intent, which the next sync merges. The rest is named, with what to run.
"""

from __future__ import annotations

import os

from tbdx.core import codec, conflict, merge, names
from tbdx.errors import Sync, TbdxError
from tbdx.kernel import Kernel
from tbdx.kernel.worktree import clear_locks, is_ours, put, register
from tbdx.store import files
from tbdx.store.objects import BACKUP, PLAIN, STANDS_ON
from tbdx.store.worktree import identity

OLD_S = 3600.0  # a temporary file of that age is nobody's any more
_UNDER_WAY = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
_OF_MERGE = ("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "MERGE_RR", "AUTO_MERGE")


def worktree(k: Kernel) -> None:
    """Make sure that the worktree is registered, on our branch, and holds files that stand on its tip."""
    git, repo, branch = k.git, k.repo, k.config.branch
    if git.worktree_git_dir() is None:
        register(k)
    own = git.worktree_git_dir()
    for name, verb in _UNDER_WAY.items():
        if os.path.lexists(f"{own}/{name}"):
            raise Sync(f"a {verb} is under way in {repo.worktree}", hint=f"git -C {repo.worktree} {verb} --abort")
    clear_locks(k, f"{own}/index.lock")
    if os.path.lexists(f"{own}/MERGE_HEAD"):
        _end_merge(k, f"{own}")
    refs = git.refs(f"refs/heads/{branch}", STANDS_ON)
    tip, was = refs.get(f"refs/heads/{branch}"), refs.get(STANDS_ON)
    on = git.worktree_branch()
    if on == branch and tip is not None and was in (None, tip):
        return
    stands = tip
    if on != branch:
        stands = git.worktree_head()
        _must_be_ours(k, stands, on)
    elif tip is None:
        stands = was
    elif was and git.worktree_tree() != git.tree_of(tip):
        stands = was  # somebody moved the branch alone, if perhaps after a real tbd moved all
    else:  # a real tbd, or a person with git, moved branch, index and files
        git.move_refs({STANDS_ON: (tip, "")})
        return
    _stand_on(k, stands, tip, on)


def _must_be_ours(k: Kernel, stands: str | None, on: str | None) -> None:
    """Refuse a worktree that somebody put on a commit that is none of the tracker's."""
    tree = k.git.tree(stands) if stands else {}
    if not any(is_ours(path, mode) for path, (mode, _) in tree.items()):
        raise Sync(
            f"{k.repo.worktree} is on {f'branch {on}' if on else 'a commit'} that holds no tracker",
            hint=f"move it aside and repeat the command: it is made anew from {k.config.branch}",
        )


def _stand_on(k: Kernel, stands: str | None, tip: str | None, on: str | None) -> None:
    """Let the branch begin again where the worktree's files stand; what it had comes back by merging."""
    git, branch = k.git, k.config.branch
    if stands is None:  # nothing tells what the files were made from: all of them count as new
        stands = git.first_commit()
    if tip is None:
        k.say("warn", f"branch {branch} was gone; it begins again at {stands[:10]}, with the files of the worktree")
    elif tip != stands:
        k.say("notice", f"the files of the worktree stand on {stands[:10]}, {branch} on {tip[:10]}: they are merged")
        note_intent(k, tip)
        backup(k, tip)
    git.move_refs({f"refs/heads/{branch}": (stands, tip), STANDS_ON: (stands, "")})
    git.set_worktree_index(stands)
    if on != branch:  # the last: until then it is seen that the files are not those of the branch
        git.put_worktree_on(branch)
        k.say("notice", f"the worktree was on {on or 'no branch'}; it is on {branch} again")


def _end_merge(k: Kernel, own: str) -> None:
    """A merge that somebody left unfinished: both its sides come together again, by our rules."""
    git = k.git
    other = git.commit_of(files.read(f"{own}/MERGE_HEAD", 4096).decode("ascii", "replace").split("\n")[0].strip())
    head = git.worktree_head()
    if head:
        backup(k, head)
        entries = git.tree(head)
        for path, (mode, blob) in entries.items():
            if other and is_ours(path, mode) and path.startswith(merge.ISSUES):
                _without_markers(k, path, blob)
    if other:
        note_intent(k, other)
    aside = f"{k.repo.own}/backup/merge-{k.now()[:23].replace(':', '-')}"
    for name in _OF_MERGE:
        if os.path.lexists(f"{own}/{name}"):
            files.move(f"{own}/{name}", f"{aside}/{name}")
    k.say("notice", f"a merge was left unfinished in the worktree; it is made anew, what it left is in {aside}")


def _without_markers(k: Kernel, path: str, blob: str) -> None:
    """Give a file its committed version where the unfinished merge left markers in it; a copy is kept."""
    target = files.inside(k.repo.worktree, *path.split("/"))
    try:
        data = files.read(target)
        if b"<<<<<<< " in data and conflict.sides(codec.decode(data)):
            name = os.path.basename(path)
            files.make_folder(f"{k.repo.own}/backup")
            files.write(f"{k.repo.own}/backup/{k.now()[:23].replace(':', '-')}-{name}", data)
            put(k, path, k.git.blobs([blob])[blob])
    except (FileNotFoundError, TbdxError):
        return


def scratch(k: Kernel) -> None:
    """Clear away what killed processes left where temporary files are made."""
    files.sweep(k.repo.scratch, older_than_s=OLD_S)


def what_came(k: Kernel, base: str, tip: str) -> str:
    """The commit to take in for `tip`: itself, or one on top of it that gives back what nobody deletes on purpose.

    That is every issue at once, and rows of ids.yml: absent is not deleted. It is the same commit in every clone.
    """
    git = k.git
    came = git.differing(base, tip)
    gone = {path: c.old for path, c in came.items() if c.old and c.new is None and is_ours(path, PLAIN)}
    back: dict[str, str | None] = {}
    if sum(map(_is_issue, gone)) > 1 and not any(_is_issue(p) and is_ours(p, m) for p, (m, _) in git.tree(tip).items()):
        k.say("warn", f"{tip[:10]} holds no issue any more; those that were there before are kept")
        back |= gone
    row = came.get(merge.NAMES)
    if row and row.old:
        data = git.blobs(blob for blob in (row.old, row.new) if blob)
        before, now = data[row.old], data[row.new] if row.new else b""
        lost = _named(before) - _named(now)
        if lost:
            k.say("warn", f"{tip[:10]} lacks {len(lost)} row(s) of ids.yml that were there before; they are kept")
            back[merge.NAMES] = git.hash_all([merge.merge_names(before, b"", now)])[0]
    if not back:
        return tip
    then = identity("tbdx", "tbdx@localhost", f"@{git.date(tip)} +0000")
    return git.commit_tree(tip, back, [tip], "tbd sync: what was wiped out is kept", author=then)


def _is_issue(path: str) -> bool:
    return path.startswith(merge.ISSUES) and path.endswith(".md")


def _named(data: bytes) -> set[str]:
    return {of for _, of in names.parse(data.decode("utf-8", "replace"))[0]}


def backup(k: Kernel, commit: str) -> None:
    """Keep a commit under a ref of its own, unless one has it already."""
    refs = k.git.refs(BACKUP)
    if commit not in refs.values():
        name = f"{BACKUP}{k.now()[:23].replace(':', '-')}"
        n = 1
        while name in refs:
            name, n = f"{name.partition('_')[0]}_{n}", n + 1
        k.git.move_refs({name: (commit, None)})


# the intent: a commit that the branch must come to hold, whatever happens on the way


def note_intent(k: Kernel, commit: str) -> None:
    files.make_folder(k.repo.own)
    files.write(_intent(k), f"{commit}\n".encode(), scratch=k.repo.scratch)


def intent(k: Kernel) -> str | None:
    """The commit that an earlier command began to bring into the branch, and may not have finished."""
    try:
        text = files.read(_intent(k), 4096).decode("ascii", "replace").strip()
    except (FileNotFoundError, TbdxError):
        return None
    return k.git.commit_of(text) if text.isalnum() else None


def intent_done(k: Kernel) -> None:
    files.remove(_intent(k), durable=False)


def _intent(k: Kernel) -> str:
    return f"{k.repo.own}/intent"
