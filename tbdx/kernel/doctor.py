"""`doctor`: look at everything, change nothing, and say what is odd: tbd's rows in tbd's order, then rows of our own.

A check is a function from the `Scene` to findings, none when all is well. Warnings leave the exit code at 0.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from tbdx.core import health, lists
from tbdx.core.health import Check, Finding, Tracker, row
from tbdx.core.snapshot import of as columns_of
from tbdx.errors import TbdxError
from tbdx.kernel import Kernel, checkup
from tbdx.kernel.scene import Scene, gather
from tbdx.store import config as settings
from tbdx.store import files

Find = Callable[[Scene], list[Finding]]


def examine(k: Kernel) -> dict[str, Any]:
    """{statusInfo, statsInfo, healthChecks, integrationChecks, tbdxChecks, healthy}: tbd's shape and a key of ours.

    `healthy` is False already for a warning, as tbd's is; for the exit code see `failed`. What is said of agents' files
    and of the installed tbdx does not count: it is not the repository's. Raises NotInitialized.
    """
    s = gather(k)
    issues = list(s.tracker.issues)
    words = {
        "git": s.git_version,
        "worktree": k.repo.worktree,
        "layout": settings.layout_path(k.repo),
        "locks": os.path.dirname(k.repo.lock),
        "branch": s.branch,
        "remote": f"{s.remote}/{s.branch}",
        "trackers": "not checked: tbdx runs no tracker bridge" if s.integrations else "no tracker enabled",
        "integrations": f"left to a real tbd: {', '.join(s.integrations)}" if s.integrations else "none enabled",
    }

    def rows(table: tuple[tuple[str, Find, str, str], ...]) -> list[Check]:
        return [row(n, find(s), path=at.format(**words), message=fine.format(**words)) for n, find, at, fine in table]

    checks, own = rows(CHECKS), rows(OWN)
    at = columns_of(issues, str)
    claim = "delegate" if s.stamp == settings.NEWEST else "assignee"
    return {
        "statusInfo": {"gitBranch": s.user_branch, "worktreeHealthy": s.worktree == "valid"},
        "statsInfo": {
            "total": len(issues),
            "ready": len(lists.ready(at, claimed_by=claim)),
            "inProgress": sum(i["status"] == "in_progress" for i in issues),
            "blocked": len(lists.blocked(at)),
            "open": sum(i["status"] == "open" for i in issues),
            "remoteTotal": s.remote_total,
        },
        "healthChecks": checks,
        "integrationChecks": [_surface(k.repo.root, *entry) for entry in SURFACES],
        "tbdxChecks": own + rows(INSTALL),
        "healthy": all(check["status"] == "ok" for check in checks + own),
    }


def failed(report: dict[str, Any]) -> bool:
    """True when some check is an error; doctor then exits 1."""
    lists = ("healthChecks", "integrationChecks", "tbdxChecks")
    return any(check["status"] == "error" for name in lists for check in report[name])


def _data(find: Callable[[Tracker], list[Finding]]) -> Find:
    return lambda s: find(s.tracker)


def _asks_git(find: Find) -> Find:
    """A check that knows nothing when git gave no answer."""
    return lambda s: [Finding("warn", "not checked: git gave no answer")] if s.git_said else find(s)


def _nothing(s: Scene) -> list[Finding]:
    return []


# (tbd's name, what is wrong, path, what to say when nothing is). The recordings hold names, order, paths and texts.
CHECKS: tuple[tuple[str, Find, str, str], ...] = (
    ("Git version", checkup.git_version, "", "{git}"),
    ("Config file", checkup.config_file, ".tbd/config.yml", ""),
    ("Launcher fallback", _nothing, "", "not checked: tbdx has no launcher that could fall back"),
    ("Issues directory", checkup.issues_directory, ".tbd/issues", ""),
    ("Dependencies", _data(health.dependencies), "", ""),
    ("Actor axis", _nothing, "", "not checked: it serves tbd's tracker bridges"),
    ("State resolution", _nothing, "", "{trackers}"),
    ("Unique IDs", _data(health.unique_ids), "", ""),
    ("Issue hierarchy", _data(health.hierarchy), "", ""),
    ("ID mapping conflicts", _data(health.mapping_conflicts), "", ""),
    ("Integrations", _nothing, "", "{integrations}"),
    ("ID mapping keys", _data(health.mapping_keys), "", ""),
    ("Temp files", _data(health.temp_files), ".tbd/data-sync/issues", ""),
    ("Issue validity", _data(health.validity), ".tbd/issues", ""),
    ("Worktree", _asks_git(checkup.worktree), "{worktree}", ""),
    ("Common-dir layout", checkup.common_layout, "{layout}", ""),
    ("Shared lock writability", checkup.lock_writability, "{locks}", ""),
    ("Abandoned lock records", checkup.abandoned_locks, "{locks}", ""),
    ("Data location", checkup.data_location, "", ""),
    ("ID mapping coverage", _data(health.mapping_coverage), "", ""),
    ("Local sync branch", _asks_git(checkup.local_branch), "", "{branch}"),
    ("Remote sync branch", _asks_git(checkup.remote_branch), "", "{remote}"),
    ("Sync status", _asks_git(checkup.sync_status), "", ""),
    ("Clone status", _asks_git(checkup.clone_status), "", ""),
    ("Sync consistency", _asks_git(checkup.sync_consistency), "", ""),
)

OWN: tuple[tuple[str, Find, str, str], ...] = (
    ("Closing times", _data(health.closing_times), "", ""),
    ("Left from closing", _data(health.left_from_closing), "", ""),
    ("Notes sections", _data(health.notes_sections), "", ""),
    ("Linear links", _data(health.linear_links), "", ""),
    ("Future times", _data(health.future_times), "", ""),
    ("Odd files", _data(health.odd_files), "", ""),
)
INSTALL: tuple[tuple[str, Find, str, str], ...] = (("Bytecode", checkup.bytecode, "", ""),)

# (tbd's name, tbd's file, what does as well, words that must stand in it, tbd's name for it in `setup --surfaces`)
SURFACES = (
    ("Portable Agent Skill", ".agents/skills/tbd/SKILL.md", ".agents/skills/tbdx/SKILL.md", b"", "portable"),
    ("Claude Code skill", ".claude/skills/tbd/SKILL.md", "", b"", "claude"),
    ("AGENTS.md", "AGENTS.md", "", b"BEGIN TBD", "agents-md"),
    ("Codex hooks", ".codex/hooks.json", "", b"", "codex"),
)


def _surface(root: str, name: str, path: str, ours: str, words: bytes, surface: str) -> Check:
    for at in filter(None, (path, ours)):
        try:
            if words in files.read(f"{root}/{at}"):
                return row(name, [], path=at)
        except (OSError, TbdxError):
            continue
    return row(name, [Finding("warn", "missing", (), f"Run: tbd setup --auto --surfaces={surface}")], path=path)
