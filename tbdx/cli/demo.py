"""`tbdx demo`: a bare remote, two clones and two agents play the main job in a scratch folder.

Every line is a real command, run as a process of its own with a home and a git configuration of its own, so that the
demo is the same everywhere and touches nothing of the user's. The git commands are the ones that a person would type.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from tbdx.cli.common import Call
from tbdx.errors import TbdxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STEP_S = 60.0  # no single command may take longer
LEFT_OUT = ("GIT_", "TBD_", "TBDX_", "XDG_")  # variables that would bring the user's repositories and settings in


class Stage:
    """The scratch folder: `clones` are its folders agent-1 and agent-2, `remote` is bare."""

    def __init__(self, folder: str, tell: Callable[[str], None]) -> None:
        self.folder, self.tell = folder, tell
        self.steps = 0
        here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.env = {n: v for n, v in os.environ.items() if not n.startswith(LEFT_OUT)} | {
            "HOME": f"{folder}/home",
            "PYTHONPATH": os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH")))),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, who: str, line: str) -> str:
        """Print a command as `who` types it, run it in that clone, print what it says. Raises TbdxError if it fails."""
        self.tell(f"{who}$ {line}")
        out = self.quietly(who, line)
        if out:
            self.tell("\n".join(f"  {row}".rstrip() for row in out.splitlines()))
        return out

    def quietly(self, who: str, line: str) -> str:
        argv = shlex.split(line)
        if argv[0] == "tbdx":
            argv[:1] = [sys.executable, "-P", "-m", "tbdx"]
        place = os.path.join(self.folder, who)
        try:
            done = subprocess.run(
                argv,
                cwd=place if os.path.isdir(place) else self.folder,
                env=self.env | {"TBD_AGENT": who},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=STEP_S,
            )
        except (OSError, subprocess.TimeoutExpired) as e:
            raise TbdxError(f"the demo could not run: {line}: {e}")
        self.steps += 1
        out = done.stdout.decode("utf-8", "replace").rstrip("\n")
        if done.returncode:
            raise TbdxError(f"the demo failed at: {who}$ {line} (exit code {done.returncode})\n{out}")
        return out

    def json(self, who: str, line: str) -> Any:
        """The JSON form of a command, not shown: what the demo itself needs to know."""
        return json.loads(self.quietly(who, f"{line} --json"))


def demo(c: Call) -> None:
    def tell(text: str) -> None:
        if not c.json:
            c.out.text(text)

    if c.dry:
        c.would("Would play a demo in a scratch folder")
        return
    folder = tempfile.mkdtemp(prefix="tbdx-demo-")
    stage = Stage(folder, tell)
    try:
        _prepare(stage)
        _play(stage)
        same = _compare(stage)
    except TbdxError as e:
        e.hint = f"everything is left for a look in {folder}"
        raise
    except BaseException:  # Ctrl-C, or a reader that has gone: nobody will look
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    c.result({"ok": True, "steps": stage.steps, "issues": same}, f"\nBoth clones hold the same {same} issues. Done.")


def _prepare(s: Stage) -> None:
    """What is there before the story begins: a home with a name for git, and the folder of the first clone."""
    os.mkdir(f"{s.folder}/home")
    os.mkdir(f"{s.folder}/agent-1")
    with open(f"{s.folder}/home/.gitconfig", "w", encoding="utf-8") as f:
        f.write("[user]\n\tname = demo\n\temail = demo@localhost\n[gc]\n\tauto = 0\n")


def _play(s: Stage) -> None:
    s.tell(f"# A remote and the first clone, in {s.folder}")
    s.run("you", "git init --quiet --bare remote.git")
    s.run("you", "git --git-dir=remote.git symbolic-ref HEAD refs/heads/main")
    s.run("agent-1", "git init --quiet")
    s.run("agent-1", "git symbolic-ref HEAD refs/heads/main")
    s.run("agent-1", "git remote add origin ../remote.git")
    s.run("agent-1", "tbdx init --prefix=demo")
    s.run("agent-1", "git add .tbd")
    s.run("agent-1", "git commit --quiet -m 'Set up the tracker'")
    s.run("agent-1", "git push --quiet origin main")

    s.tell("\n# Work is planned: the parser has to be designed before it can be written")
    design = _created(s, "tbdx create 'Design the parser' --type feature --priority 1 --label core")
    parser = _created(s, f"tbdx create 'Write the parser' --depends-on {design} --label core")
    manual = _created(s, "tbdx create 'Write the manual' --label docs")
    s.run("agent-1", "tbdx ready")
    s.run("agent-1", "tbdx blocked")
    s.run("agent-1", "tbdx sync")

    s.tell("\n# A second agent joins; each claims one issue")
    s.run("you", "git clone --quiet remote.git agent-2")
    s.run("agent-1", f"tbdx start {design}")
    s.run("agent-2", f"tbdx start {manual}")

    s.tell("\n# Both change the same title, neither knowing of the other")
    s.run("agent-1", f"tbdx update {design} --title 'Design the parser and its errors'")
    s.run("agent-2", f"tbdx update {design} --title 'Design the streaming parser'")
    s.run("agent-1", "tbdx sync")
    s.run("agent-2", "tbdx sync")
    s.run("agent-1", "tbdx sync")

    s.tell("\n# The later title won; the other one is in the attic")
    found = json.loads(s.run("agent-1", f"tbdx attic list {design} --json"))
    lost = [row for row in found if row["field"] == "title"]
    if not lost:
        raise TbdxError("the demo failed: the losing title is not in the attic")
    s.run("agent-1", f"tbdx attic show {design} {lost[0]['timestamp']}")

    s.tell("\n# They talk: each message is a file and an event, and reading is not acknowledging")
    ask = "Which errors should the manual list?"
    s.run("agent-1", f"tbdx msg send --to agent:agent-2 --work {manual} --body '{ask}' --ack-required")
    s.run("agent-1", "tbdx sync")
    s.run("agent-2", "tbdx sync")
    s.run("agent-2", "tbdx msg recv --unread")
    asked = s.json("agent-2", "tbdx msg recv --unread")["message_id"]
    s.run("agent-2", f"tbdx msg ack {asked}")
    s.run("agent-2", f"tbdx msg send --reply-to {asked} --body 'Those of the reader first.'")

    s.tell("\n# And hand work over: the claim goes with a message that says how it stands")
    s.run("agent-2", f"tbdx handoff {manual} --to agent:agent-1 --summary 'All but the list of errors is there.'")
    s.run("agent-2", "tbdx sync")
    s.run("agent-1", "tbdx sync")
    s.run("agent-1", "tbdx msg recv --unread")

    s.tell("\n# Work is done, which frees what waited for it")
    s.run("agent-1", f"tbdx close {design} --reason 'designed'")
    s.run("agent-1", f"tbdx close {manual} --reason 'written'")
    s.run("agent-1", "tbdx sync")
    s.run("agent-2", "tbdx sync")
    s.run("agent-1", "tbdx sync")
    s.run("agent-2", "tbdx ready")
    if [row["id"] for row in s.json("agent-2", "tbdx ready")] != [parser]:
        raise TbdxError(f"the demo failed: {parser} should be all that is ready")


def _created(s: Stage, line: str) -> str:
    """Run a `create` of the first agent; the new issue's id."""
    found = re.search(r"Created (\S+):", s.run("agent-1", line))
    if not found:
        raise TbdxError(f"the demo failed: no id in the answer to {line}")
    return found[1]


def _compare(s: Stage) -> int:
    """The number of issues, when both clones hold the same ones in the same bytes. Raises TbdxError."""
    s.tell("\n# Both clones are the same")
    shown = [s.run(who, "tbdx list --all") for who in ("agent-1", "agent-2")]
    tips = [s.run(who, "git rev-parse tbd-sync") for who in ("agent-1", "agent-2")]
    files = [_files(f"{s.folder}/{who}/.git/tbd/data-sync-worktree/.tbd/data-sync") for who in ("agent-1", "agent-2")]
    talks = [s.run(who, "tbdx materialize threads") for who in ("agent-1", "agent-2")]
    if any(pair[0] != pair[1] for pair in (shown, tips, files, talks)):
        raise TbdxError("the demo failed: the two clones differ")
    return sum(path.startswith("issues/is-") for path in files[0])


def _files(root: str) -> dict[str, bytes]:
    out = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                out[os.path.relpath(path, root)] = f.read()
    return out
