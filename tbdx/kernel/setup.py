"""Beginning: `init`, and what a repository says of itself: `status`, `whoami`, `config`."""

from __future__ import annotations

import os

from tbdx import TBD_VERSION, __version__
from tbdx.core import canon
from tbdx.core.ids import is_prefix, is_usual_prefix
from tbdx.errors import BadFile, Git, Invalid, TbdxError
from tbdx.kernel import Kernel
from tbdx.store import config as settings
from tbdx.store import files, layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

NO_PREFIX = """The --prefix option is required

Usage: tbd init --prefix=<name>

The prefix is what display ids begin with, as in proj-a7k2.
Two to eight letters are usual: tbd, myp, proj."""
BAD_PREFIX = """Invalid prefix format.
A prefix has 1 to 20 characters: it begins with a letter a-z and ends with a letter or digit;
dots and underscores may stand between. A dash would break ids.

Example: tbd init --prefix=tbd"""


def check_prefix(prefix: str | None, *, force: bool = False) -> str:
    """Raises Invalid for a prefix that cannot be, or that is unusual and not forced."""
    if not prefix:
        raise Invalid(NO_PREFIX)
    if not is_prefix(prefix):
        raise Invalid(BAD_PREFIX)
    if not force and not is_usual_prefix(prefix):
        raise Invalid(
            f"Unusual prefix: {prefix}\nTwo to eight letters are usual.", hint="--force takes it all the same"
        )
    return prefix


def init(
    k: Kernel, prefix: str | None, *, branch: str = "tbd-sync", remote: str = "origin", force: bool = False
) -> dict[str, Any]:
    """Set a repository up here: config.yml and .gitignore in the working tree, the sync branch and its worktree."""
    prefix = check_prefix(prefix, force=force)
    found = layout.find_git(k.cwd)
    if found is None:
        raise TbdxError("Not a git repository", hint="git init comes first")
    root = found[0]  # one tracker per clone, wherever in it the command was given
    if root != k.cwd:
        k.say("notice", f"set up at the top of the working tree: {root}")
    for name, value in (("--sync-branch", branch), ("--remote", remote)):
        if not settings.is_ref_name(value):
            raise Invalid(f"Invalid {name} value: {value}")
    folder = f"{root}/.tbd"
    texts = {".gitignore": settings.GITIGNORE, "tbdx.yml": tbdx_yml(f"uid:{k.entropy(8).hex()}")}
    if os.path.lexists(folder) and not _is_unfinished(folder, texts):
        raise TbdxError("tbd is already initialized in this directory", hint="tbdx status tells what is here")
    texts["config.yml"] = settings.new_config(prefix, branch, remote, k.now())  # the last: with it a folder counts
    scratch = layout.Repo(*found).scratch
    try:
        for needed in (folder, scratch):
            files.make_folder(needed)
        for name, text in texts.items():
            files.write(f"{folder}/{name}", text.encode(), scratch=scratch)
        _begin(k)
    except TbdxError:
        for name in reversed(texts):  # a half-made repository would stop the next try
            files.discard(f"{folder}/{name}")
        files.remove_empty(folder)
        raise
    return {"initialized": True, "version": TBD_VERSION, "prefix": prefix}


def _is_unfinished(folder: str, names: Collection[str]) -> bool:
    """Whether nothing is in a folder but what an init that was stopped leaves there."""
    return os.path.isdir(folder) and not os.path.islink(folder) and not {*os.listdir(folder)} - {*names}


def _begin(k: Kernel) -> None:
    """The worktree of a new repository; a branch that is begun here is offered to the remote at once."""
    from tbdx.kernel.worktree import materialize

    taken = k.git.checked_out_at(k.config.branch)
    if taken:
        raise Git(f"branch {k.config.branch} is checked out at {taken}", hint="switch to another branch there first")
    materialize(k, fresh=True)
    tip = k.git.branch_tip(k.config.branch)
    if tip and k.git.has_remote(k.config.remote) and k.git.remote_tip(k.config.remote, k.config.branch) is None:
        try:
            taken_up, why = k.git.push(k.config.remote, k.config.branch, tip)
            if not taken_up:
                k.say("notice", f"{k.config.remote} did not take the new branch ({why}); tbdx sync tries again")
        except Git as e:
            k.say("notice", f"{e.message}; tbdx sync publishes the new branch later")


def tbdx_yml(project: str) -> str:
    """Our own settings file. Data only: see the kernel contract."""
    return settings.OWN_HEAD + canon.dumps({"tbdx": __version__, "coordination": True, "project": project})


def config_show(k: Kernel) -> dict[str, Any]:
    raw = settings.load(k.repo).raw
    order = ("tbd_format", "tbd_version", "tbd_fallback_version", "tbd_upgrades", "sync", "display", "settings")
    return {name: raw[name] for name in order if name in raw} | {n: v for n, v in raw.items() if n not in order}


def config_get(k: Kernel, key: str) -> Any:
    return settings.get(settings.load(k.repo).raw, key)


def config_set(k: Kernel, key: str, text: str) -> None:
    """Change a setting that is there: `true` and `false` become booleans, numbers numbers. Raises Invalid."""
    raw = settings.load(k.repo).raw
    old = settings.get(raw, key)
    if isinstance(old, (dict, list)):
        raise Invalid(f"{key} is not a single value", hint="tbdx config show lists the keys")
    if key == "tbd_format":
        raise Invalid("tbd_format is a promise about every file here; it is not a setting")
    value: Any = {"true": True, "false": False}.get(text, text)
    if isinstance(value, str):
        try:
            value = int(text)
        except ValueError:
            value = text
    if key == "display.id_prefix":
        check_prefix(str(value), force=True)
    if key in ("sync.branch", "sync.remote") and not settings.is_ref_name(value):
        raise Invalid(f"Invalid {key}: {text}")
    settings.put(k.repo, key, value)


def status(k: Kernel) -> dict[str, Any]:
    """What is here, whatever is here: works without a repository, and with one of a newer format."""
    from tbdx.store import git

    out: dict[str, Any] = {"initialized": False, "tbd_version": TBD_VERSION, "tbdx_version": __version__}
    out["working_directory"] = k.cwd
    found, facts = None, dict[str, object]()
    text, number = "", tuple[int, ...]()
    try:
        text, number = git.version(k.env)
        found = layout.find_git(k.cwd)
        facts = git.describe(found[0]) if found else facts
    except TbdxError as e:  # no git at all, or a place without a working tree
        out["note"] = e.message
    out["git_repository"] = found is not None
    out["git_branch"] = facts.get("branch")
    out |= {"git_version": text.split(" ")[0] or None, "git_version_supported": number >= git.OLDEST}
    out |= {"beads_detected": os.path.isdir(f"{k.cwd}/.beads"), "beads_issue_count": None}
    out |= dict.fromkeys(("sync_branch", "remote", "display_prefix", "worktree_path"))
    out |= {"worktree_healthy": False, "worktree_status": "missing", "workspaces": [], "docs_drift": None}
    try:
        repo = k.repo
    except TbdxError as e:
        return {"note": e.message} | out | {"integrations": integrations(k.cwd)}
    out["initialized"] = True
    try:
        config = k.config
        out |= {"sync_branch": config.branch, "remote": config.remote, "display_prefix": config.prefix}
    except TbdxError as e:
        out["note"] = e.message
    out["worktree_path"] = repo.worktree
    if text:
        out["worktree_status"] = worktree_status(k)
    out["worktree_healthy"] = out["worktree_status"] == "valid"
    out["workspaces"] = sorted(os.listdir(repo.workspaces)) if os.path.isdir(repo.workspaces) else []
    out["docs_drift"] = dict.fromkeys(("forks", "customized", "stale", "conflicted", "missing", "local"), 0)
    return out | {"integrations": integrations(repo.root)}


def worktree_status(k: Kernel) -> str:
    """tbd's word for the state of the hidden worktree."""
    repo = k.repo
    if not os.path.isdir(repo.worktree):
        registered = os.path.isdir(f"{repo.common}/worktrees/data-sync-worktree")
        return "prunable" if registered else "missing"
    whole = k.git.worktree_git_dir() is not None and os.path.isdir(repo.issues)
    return "valid" if whole and k.git.worktree_branch() == _branch(k) else "corrupted"


def _branch(k: Kernel) -> str:
    try:
        return k.config.branch
    except TbdxError:
        return "tbd-sync"


SURFACES = {
    "portable_skill": ".agents/skills/tbdx/SKILL.md",
    "claude_code": ".claude/settings.json",
    "codex": "AGENTS.md",
    "codex_hooks": ".codex/hooks.json",
}


def integrations(root: str) -> dict[str, Any]:
    """Which agents' files are there: tbd's keys, and our own skill for its."""
    out: dict[str, Any] = {}
    for name, path in SURFACES.items():
        out[name] = os.path.isfile(f"{root}/{path}")
        out[f"{name}_path"] = f"./{path}"
    return out


def whoami(k: Kernel, actor: Mapping[str, str], *, ensure_id: bool = False) -> dict[str, Any]:
    """Who acts here: `actor` as `core.actor` worked it out; with `ensure_id` an id is kept in state.yml."""
    out: dict[str, Any] = dict(actor)
    state = read_state(k)
    known = state.get("agent_id")
    if ensure_id and not known:
        known = "agid-" + k.new_id()[3:]
        write_state(k, state | {"agent_id": known})
    return ({"id": known} if known else {}) | out


def read_state(k: Kernel) -> dict[str, Any]:
    """.tbd/state.yml, local to this checkout; {} when it is missing or cannot be used."""
    try:
        return settings.parse(files.read(k.repo.state))
    except (FileNotFoundError, BadFile):
        return {}


def write_state(k: Kernel, state: dict[str, Any]) -> None:
    files.write(k.repo.state, canon.dumps(state).encode())
