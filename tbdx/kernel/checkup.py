"""The checks of `doctor` over what surrounds the data: configuration, worktree, locks, the sync branch.

Each is a function from the `Scene` to findings, none when all is well, and touches nothing.
"""

from __future__ import annotations

from tbdx.core.health import Finding, listed
from tbdx.kernel.scene import Scene
from tbdx.store import config as settings
from tbdx.store import git


def git_version(s: Scene) -> list[Finding]:
    if s.git_said:
        return [Finding("error", s.git_said)]
    if s.git_number < git.OLDEST:
        oldest = ".".join(map(str, git.OLDEST))
        return [Finding("error", f"{s.git_version} is too old", (), f"Install git {oldest} or newer")]
    return []


def config_file(s: Scene) -> list[Finding]:
    return [Finding("error", s.config_said)] if s.config_said else []


def issues_directory(s: Scene) -> list[Finding]:
    if s.data_said:
        return [Finding("error", s.data_said, (), "Move it aside; the issues are on the sync branch too")]
    if s.has_issues:
        return []
    if s.worktree in ("missing", "prunable"):
        return [Finding("warn", "missing, as the worktree is")]
    return [Finding("error", "missing", (), "Run: tbdx list to write it anew from the sync branch")]


def worktree(s: Scene) -> list[Finding]:
    if s.worktree == "valid":
        return []
    if s.worktree in ("missing", "prunable"):
        return [Finding("warn", s.worktree, (), "Run: tbdx list (any command on issues makes it from the sync branch)")]
    if s.on != s.branch and (s.on or s.head):
        hint = f"Look at what it holds, then in that folder: git symbolic-ref HEAD refs/heads/{s.branch}"
        return [Finding("error", f"on {s.on or 'a detached HEAD'}, not on {s.branch}", (), hint)]
    return [
        Finding("error", "corrupted", (), "Move it aside, as it may hold changes that are nowhere else; it is remade")
    ]


def common_layout(s: Scene) -> list[Finding]:
    if s.legacy:
        return []  # came with f04
    if s.layout_said:
        return [Finding("error", s.layout_said, (), "Delete it; it is made anew")]
    if s.layout is None:
        return [Finding("warn", "missing", (), "Run: tbdx list; a tbd makes it anew too")]
    stamp = s.layout.get("tbd_format")
    if isinstance(stamp, str) and len(stamp) == 3 and stamp > settings.NEWEST:
        return [Finding("error", f"format {stamp} is newer than {settings.NEWEST}", (), "Upgrade tbdx")]
    if s.config_said:
        return []  # nothing to hold it against
    wanted = settings.parse(settings.layout_yml(s.stamp, "").encode())
    names = [name for name in wanted if not name.endswith("_at")]
    odd = [f"{n}: {s.layout.get(n)}, expected {wanted[n]}" for n in names if s.layout.get(n) != wanted[n]]
    # another checkout of this clone may have a config of another format: its clients re-stamp this file as they please
    return listed("warn", odd, "key(s) that differ from what config.yml says")


def lock_writability(s: Scene) -> list[Finding]:
    return [Finding("error", s.lock_said, (), "Reading works; nothing can be changed from here")] if s.lock_said else []


def abandoned_locks(s: Scene) -> list[Finding]:
    return listed(
        "warn", s.abandoned, "lock record(s) of processes that are gone", "Delete them when no tbd is running"
    )


def data_location(s: Scene) -> list[Finding]:
    """Copies of issues that we have are clutter; an issue that is only there is one that nobody sees."""
    out = []
    for folder, ids in s.strays:
        lost = [x for x in ids if x not in s.tracker.ids]
        hint = f"Move what is wanted from {folder} into the worktree's issues folder"
        out += listed("error", lost, f"issue(s) only in {folder}, where nothing looks", hint)
        if not lost:
            out += [Finding("warn", f"{len(ids)} issue file(s) in {folder}, where nothing looks")]
    return out


def local_branch(s: Scene) -> list[Finding]:
    if s.tip:
        return []
    if s.remote_tip:
        return [Finding("warn", f"{s.branch} not found", (), "Run: tbdx list to make it from the remote's")]
    return [Finding("error", f"{s.branch} not found", (), "Run: tbdx sync to fetch it, or begin it anew")]


def remote_branch(s: Scene) -> list[Finding]:
    if s.remote_tip:
        return []
    why = [] if s.has_remote else [f"no remote {s.remote} is configured: this tracker is local only"]
    # tbd's words, here and below
    return [Finding("warn", f"{s.remote}/{s.branch} not found", why, "Run: tbd sync to push local branch")]


def sync_status(s: Scene) -> list[Finding]:
    if s.remote_tip is None:
        said = f"{len(s.tracker.issues)} local issues, remote branch not found"
        return [Finding("warn", said, (), "Run: tbd sync to push issues to remote")] if s.tracker.issues else []
    if not s.related:
        hint = "Run: tbdx sync, which keeps both histories and forces nothing"
        return [Finding("error", f"{s.branch} and {s.remote}/{s.branch} have no commit in common", (), hint)]
    counts = (
        (len(s.unsaved), "file(s) changed and not committed"),
        (len(s.withheld), "file(s) that sync leaves out"),
        (s.ahead, "commit(s) not pushed"),
        (s.behind, "commit(s) not merged"),
    )
    parts = [f"{n} {what}" for n, what in counts if n]
    return [Finding("warn", ", ".join(parts), [*s.unsaved, *s.withheld], "Run: tbd sync")] if parts else []


def clone_status(s: Scene) -> list[Finding]:
    hint = f"Run: git fetch --unshallow {s.remote}"
    out = listed("warn", s.cut, f"commit(s) at which a shallow clone cuts {s.branch} off: merges lack their base", hint)
    if s.remote_total and s.has_issues and not s.tracker.ids:
        out += [Finding("warn", f"no issue here, {s.remote_total} on the remote", (), "Run: tbdx sync")]
    return out


def sync_consistency(s: Scene) -> list[Finding]:
    out = []
    if s.head and s.tip and s.head != s.tip:
        hint = "Look at the worktree with git log; it should be on the branch"
        out += [Finding("error", f"the worktree is at {s.head[:10]}, {s.branch} at {s.tip[:10]}", (), hint)]
    if s.merging:
        out += [Finding("warn", "a merge was left unfinished in the worktree", (), "Run: tbdx sync")]
    return out


def bytecode(s: Scene) -> list[Finding]:
    hint = "Run: python -m compileall on the installed package, which Python itself was kept from compiling"
    return listed("warn", s.without_bytecode, "module(s) with no bytecode: this install costs more per call", hint)
