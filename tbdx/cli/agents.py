"""Commands for and about agents: what they should know, and the files that tell them."""

from __future__ import annotations

import os
import sys

from tbdx.cli.common import Call
from tbdx.errors import TbdxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tbdx.kernel.surfaces import Edit


def prime(c: Call) -> None:
    from tbdx.core import guide

    if c["brief"] or c["export"]:
        c.result({"guide": guide.PRIME}, guide.PRIME.rstrip("\n"))
        return
    from tbdx.kernel import surfaces

    state: dict[str, Any] | None
    try:
        state = surfaces.state(c.kernel)
        live = _here(state) if state else guide.NOT_SET_UP
    except TbdxError:  # the reason may quote the repository, so it is not repeated among instructions
        state, live = None, "## Here\n\nThe tracker of this repository cannot be opened; `tbdx status` says why.\n"
    c.result({"guide": guide.PRIME, "state": state}, f"{guide.PRIME}\n{live}".rstrip("\n"))


def _here(state: dict[str, Any]) -> str:
    text = "## Here, now\n\n{ready} ready, {inProgress} in progress, {blocked} blocked.".format_map(state)
    if state["next"]:
        text += f" First: {' '.join(state['next'])}"
    if state["unreadable"]:
        text += f"\n{state['unreadable']} issue file(s) cannot be read; `tbdx doctor` names them."
    return text


def closing(c: Call) -> None:
    from tbdx.core import guide

    c.result({"guide": guide.CLOSING}, guide.CLOSING.rstrip("\n"))


def skill(c: Call) -> None:
    from tbdx.core import guide

    text = guide.SKILL_HEAD if c["brief"] else guide.SKILL
    c.result({"skill": text}, text.rstrip("\n"))


def setup(c: Call) -> None:
    from tbdx.kernel import surfaces

    dry = c.dry or not c["auto"]
    given = {name: c[name] for name in ("prefix", "surfaces", "from_beads", "force")}
    done = surfaces.setup(c.kernel, **given, dry=dry)
    edits: list[Edit] = done["files"]
    if c.json:
        done["files"] = [edit.row() for edit in edits]
        c.out.data({"dryRun": True, "action": "Would set up", **done} if dry else done, None if dry else 2)
        return
    changed = [edit for edit in edits if edit.action != "unchanged"]
    for edit in changed:
        c.out.text(edit.diff())
    say = c.out.notice if dry else c.out.success
    if done["initialized"]:
        say(("Would initialize" if dry else "Initialized") + f" with prefix {done['prefix']}")
    if c["from_beads"]:
        count = "" if dry else f"{done['imported']['imported']} issue(s) from "
        say(f"{'Would import ' if dry else 'Imported '}{count}.beads/issues.jsonl")
        say(f"{'Would rename' if dry else 'Renamed'} .beads to .beads-disabled")
    for edit in edits:
        say(f"{edit.path}: {'would be ' if dry and edit in changed else ''}{edit.action}")
    if dry:
        c.out.notice("Nothing was written." + ("" if c["auto"] else " tbdx setup --auto does it."))
    elif changed or done["initialized"]:
        paths = dict.fromkeys([".tbd"] * done["initialized"] + [edit.path for edit in changed])
        c.out.notice(f"Commit what you want to share: git add {' '.join(paths)}")


def uninstall(c: Call) -> None:
    from tbdx.kernel import surfaces

    edits, left = surfaces.removal(c.kernel)
    rows = [f"{edit.path}: {_fate(edit)}" for edit in edits]
    kept = [f"{row['path']}: left, {row['reason']}" for row in left]
    if c.dry:
        files = [{"path": edit.path, "action": edit.action} for edit in edits]
        c.would("Would uninstall", files=files, left=left)
    elif not c["confirm"]:
        raise TbdxError(
            "\n  ".join(["uninstall needs --confirm. It would change:", *(rows or ["nothing"]), *kept]),
            hint="issues, the sync branch and .tbd/ stay in any case",
        )
    else:
        surfaces.apply(c.kernel, edits)
    if c.json:
        if not c.dry:
            c.out.data({"files": [edit.row() for edit in edits], "left": left})
        return
    for edit in edits:
        c.out.text(edit.diff())
    for row in rows:
        c.out.success(row)
    for row in kept:
        c.out.say("warn", row)
    if not rows:
        c.out.notice("Nothing of tbdx's is here but the tracker itself.")
    c.out.notice("Issues, the sync branch and .tbd/ stay.")


def _fate(edit: Edit) -> str:
    return "the file goes" if edit.new is None else "the block of tbdx goes"


def shim_install(c: Call) -> None:
    from tbdx.kernel import shim

    done = shim.install(c.kernel, c["dir"], own_command(), dry=c.dry)
    if c.dry:
        c.would(f"Would install the shim: {done['path']} {done['action']}", **done)
        return
    c.done(done, f"{done['path']}: {done['action']}")
    folder = os.path.dirname(done["path"])
    if not done["onPath"]:
        c.out.say("warn", f"{folder} is not on PATH, so `tbd` does not find it")
    elif done["first"] and not os.path.samefile(done["first"], done["path"]):
        c.out.say("warn", f"another tbd comes first on PATH: {done['first']}")


def own_command() -> list[str]:
    """What starts this tbdx from anywhere: the installed script, else its Python with the module."""
    for path in (os.path.abspath(sys.argv[0]), os.path.join(os.path.dirname(sys.executable), "tbdx")):
        if os.path.basename(path) == "tbdx" and os.path.isfile(path) and os.access(path, os.X_OK):
            return [path]
    return [sys.executable, "-P", "-m", "tbdx"]
