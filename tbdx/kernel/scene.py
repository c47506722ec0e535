"""What `doctor` looks at: the data and everything around them, gathered so that damage in one part hides no other.

Nothing is materialised, fetched or repaired here; the remote is the remote as it was last fetched.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tbdx.core import names as short_ids
from tbdx.core.codec import LARGEST
from tbdx.core.entity import COLLECTIONS
from tbdx.core.health import A_FOLDER, Tracker
from tbdx.core.ids import by_ulid, is_ulid, repair
from tbdx.errors import BadFile, TbdxError
from tbdx.kernel import Kernel, standing
from tbdx.store import config as settings
from tbdx.store import entities, files, layout
from tbdx.store import lock as locks


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`..._said` is what went wrong in reading that part, '' when nothing did.

    worktree: tbd's word for its state. on, head: the branch and commit it stands on. cut: commits of the sync branch
    at which a shallow clone ends. unsaved: `new: path` and so on. withheld: what a sync would leave out. strays:
    (folder, the issues found there). layout: what layout.yml holds, None when it is missing.
    """

    config_said: str = ""
    stamp: str = settings.NEWEST
    legacy: bool = False
    prefix: str | None = None
    branch: str = "tbd-sync"
    remote: str = "origin"
    integrations: Sequence[str] = ()

    tracker: Tracker
    data_said: str
    has_issues: bool
    strays: Sequence[tuple[str, Sequence[str]]]

    layout: dict[str, Any] | None
    layout_said: str
    lock_said: str
    abandoned: Sequence[str]
    without_bytecode: Sequence[str]
    user_branch: str | None

    git_said: str
    git_version: str = ""
    git_number: tuple[int, ...] = (0, 0)
    worktree: str = "missing"
    on: str | None = None
    head: str | None = None
    merging: bool = False
    tip: str | None = None
    remote_tip: str | None = None
    has_remote: bool = False
    remote_total: int | None = None
    related: bool = True
    ahead: int = 0
    behind: int = 0
    unsaved: Sequence[str] = ()
    withheld: Sequence[str] = ()
    cut: Sequence[str] = ()


def gather(k: Kernel) -> Scene:
    """Raises NotInitialized; everything else that is wrong is in the scene."""
    facts = _of_config(k)
    facts |= _of_data(k, facts.get("prefix"))
    facts |= _of_layout(k.repo)
    readable = facts["has_issues"] and not facts["data_said"]
    facts |= standing.ask(k, facts.get("branch", "tbd-sync"), facts.get("remote", "origin"), readable=readable)
    return Scene(
        **facts,
        strays=_strays(k.repo),
        lock_said=_lock_trouble(k),
        abandoned=[said for _, said in abandoned(k)],
        without_bytecode=_without_bytecode(),
        user_branch=standing.user_branch(k.repo),
    )


def _of_config(k: Kernel) -> dict[str, Any]:
    _ = k.repo  # no repository is no damage: it is the answer
    try:
        config = k.config
    except (TbdxError, FileNotFoundError) as e:
        return {"config_said": str(e)}
    names = config.raw.get("integrations")
    return {
        "stamp": config.format,
        "legacy": k.repo.legacy,
        "prefix": config.prefix,
        "branch": config.branch,
        "remote": config.remote,
        "integrations": sorted(names) if isinstance(names, dict) else [],
    }


def _of_data(k: Kernel, prefix: str | None) -> dict[str, Any]:
    repo = k.repo
    out = {"has_issues": os.path.isdir(repo.issues), "data_said": "", "tracker": Tracker(now_ms=k.now_ms())}
    try:
        entities.check_folders(repo)
        issues, bad = entities.scan(repo)
        bad += [problem for kind in COLLECTIONS if kind != "issue" for problem in entities.scan(repo, kind)[1]]
        ulids = [name[3:-3] for name in entities.listing(repo) if is_ulid(name[3:-3])]
    except TbdxError as e:
        return out | {"data_said": e.message}
    lines, garbage = _mapping_lines(repo)
    markers = [n for n, line in enumerate(lines, 1) if line.startswith(("<<<<<<<", ">>>>>>>")) or line == "======="]
    rows, no_rows = short_ids.parse("\n".join("" if n in markers else x for n, x in enumerate(lines, 1)))
    short_of = by_ulid(repair(rows, ulids)[0])

    def display(internal: str) -> str:
        short = short_of.get(internal[3:])
        return f"{prefix}-{short}" if prefix and short else internal

    out["tracker"] = Tracker(
        issues=issues,
        bad=bad,
        rows=rows,
        garbage=garbage + no_rows,
        markers=markers,
        files=_entries(repo.data),
        now_ms=k.now_ms(),
        display=display,
    )
    return out


def _mapping_lines(repo: layout.Repo) -> tuple[list[str], list[str]]:
    """(the lines of ids.yml, a complaint when it cannot be read)."""
    try:
        data = files.read(entities.names_path(repo), 64 * LARGEST)
    except FileNotFoundError:
        return [], []
    except TbdxError as e:
        return [], [f"ids.yml: {e.reason if isinstance(e, BadFile) else e.message}"]
    return data.decode("utf-8", "replace").split("\n"), []


def _entries(root: str) -> list[tuple[str, str | None]]:
    """(path below root, None for a plain file, else what it is) of everything there, folders too; no link followed."""
    out: list[tuple[str, str | None]] = []

    def complain(e: OSError) -> None:
        if not isinstance(e, FileNotFoundError):
            out.append((os.path.relpath(e.filename or root, root), f"cannot be read: {e.strerror}"))

    for folder, folders, _ in os.walk(root, onerror=complain):
        found = [f"{folder}/{name}" for name in folders]
        out += [(os.path.relpath(path, root), A_FOLDER) for path in found if not os.path.islink(path)]
    try:
        out += files.walk(root)
    except OSError as e:
        complain(e)
    return sorted(set(out), key=str)


def _strays(repo: layout.Repo) -> list[tuple[str, list[str]]]:
    """Issue files where no client looks, or looks no more."""
    tail = "/.tbd/data-sync/issues"
    other = repo.shared if repo.legacy else f"{repo.root}/.tbd"
    out = []
    for folder in (repo.root + tail, f"{other}/data-sync-worktree{tail}"):
        try:
            names = sorted(n[:-3] for n in os.listdir(folder) if n.startswith("is-") and n.endswith(".md"))
        except OSError:
            continue
        if names and os.path.realpath(folder) != os.path.realpath(repo.issues):
            out.append((folder, names))
    return out


def _of_layout(repo: layout.Repo) -> dict[str, Any]:
    try:
        return {"layout": settings.parse(files.read(settings.layout_path(repo))), "layout_said": ""}
    except FileNotFoundError:
        return {"layout": None, "layout_said": ""}
    except TbdxError as e:
        return {"layout": {}, "layout_said": e.message}


def _lock_trouble(k: Kernel) -> str:
    """Why no lock can be taken, found by making a folder where locks are made; '' when one can."""
    folder, name = os.path.split(k.repo.lock)
    while not os.path.lexists(folder):  # the first writer makes it
        folder = os.path.dirname(folder)
    probe = f"{folder}/{name}.probe-{k.entropy(8).hex()}"
    try:
        os.mkdir(probe)
        os.rmdir(probe)
    except OSError as e:
        return f"cannot make a folder in {folder}: {e.strerror}"
    return ""


def abandoned(k: Kernel) -> list[tuple[str, str]]:
    """(path, what is said of it) of lock folders whose process is gone. One without a record may be a second old, so it
    must be old to count."""
    out = []
    for path in (k.repo.lock, entities.names_path(k.repo) + ".lock"):
        folder, name = os.path.split(path)
        try:
            entries = sorted(entry for entry in os.listdir(folder) if entry == name or entry.startswith(name + "."))
        except OSError:
            continue
        for entry in entries:
            places = ("owner/record", "owner", "record")
            record = next((r for p in places if (r := locks.read_record(f"{folder}/{entry}/{p}"))), None)
            if record is None:
                try:
                    age_s = k.now_ms() / 1000 - os.lstat(f"{folder}/{entry}").st_mtime
                except OSError:
                    continue
                if age_s > locks.STALE_S:
                    out.append((f"{folder}/{entry}", f"{entry}: no record, {age_s / 3600:.1f} h old"))
            elif locks.is_dead(record):
                out.append((f"{folder}/{entry}", f"{entry}: process {record.get('pid')} is gone"))
    return out


def _without_bytecode() -> list[str]:
    """Our loaded modules that Python has compiled for this run and will compile again for the next."""
    specs = [m.__spec__ for name, m in sorted(sys.modules.items()) if name.partition(".")[0] == "tbdx" and m.__spec__]
    plain = [spec for spec in specs if str(spec.origin).endswith(".py")]
    return [spec.name for spec in plain if not (spec.cached and os.path.exists(spec.cached))]
