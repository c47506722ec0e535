"""A throw-away place in which one session runs: its folders, its environment, its steps, and what they leave behind.

Nothing of the machine reaches the executable but PATH: it has its own HOME and git configuration, UTC, an empty
stdin, and a time limit. Only options of git 2.25 are used here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from compat.normal import ULID

STEP_SECONDS = 120.0
PASSED_ON = ("PATH", "LD_LIBRARY_PATH")  # the second for Pythons that do not know where their library is

_GIT_CONFIG = """\
[user]
	name = Session
	email = session@example.com
[init]
	defaultBranch = main
[commit]
	gpgsign = false
[gc]
	auto = 0
[advice]
	detachedHead = false
"""
_MAPPING = re.compile(rf"""^['"]?([0-9a-z._-]+)['"]?:\s*['"]?({ULID})['"]?\s*$""", re.MULTILINE)

Step = dict[str, Any]
"""One step of a session, as its file has it. What it does is one of

run: argv for the executable                    git: argv for git, which must succeed
write: {path, text}, a file in the clone        clone: a name, for a new clone of the origin
write_data: {path, text}, in its data-sync      save_head: a variable, for the commit of the branch tbd-sync
edit_issue: {id, replace, regex, crlf}          sleep: seconds
delete_issue: id                                tree: true, when nothing else is to be done

and with it may stand: in: the clone (a), cwd: a folder in it, stdin, env, timeout: seconds, note, text: loose (the
default), exact or ignore, save: {variable: path in the printed JSON}, used as ${variable} later, tree: true or
"all" (dump the files of the step's clone, or of every clone, after it), answer: what the real tbd did.
"""


@dataclass(frozen=True)
class Ran:
    """How a process ended: its exit code, or "timeout", or "exec-error" when it could not be started."""

    exit: int | str
    stdout: str
    stderr: str


@dataclass
class Tree:
    """The files of one clone: data-sync's by their path in it, others with an @ before their path."""

    layout: str | None  # where data-sync was found: common, worktree, plain; None when there is none
    files: dict[str, str]
    branch: list[str] | None  # paths on the tbd-sync branch; None without that branch


@dataclass
class Result:
    """What a step did, as it came; `ran` only for steps that run the executable.

    trouble: why the step could not be done as written (the executable never made the file to edit, and the like).
    """

    ran: Ran | None = None
    documents: list[Any] = field(default_factory=list)
    error_documents: list[Any] = field(default_factory=list)
    trees: dict[str, Tree] | None = None
    trouble: str | None = None


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: str = "", limit: float = STEP_SECONDS) -> Ran:
    """Run to the end or the limit; at the limit everything that the process has started is ended with it."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Ran("exec-error", "", str(error))
    with process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=limit)
            return Ran(process.returncode, stdout, stderr)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            return Ran("timeout", "", "")


def documents(text: str) -> list[Any]:
    """The JSON documents at the start of a text; tbd prints several for JSON lines, and prose after some."""
    decoder, found, rest = json.JSONDecoder(), [], text.lstrip()
    while rest:
        try:
            document, end = decoder.raw_decode(rest)
        except ValueError:
            break
        found.append(document)
        rest = rest[end:].lstrip()
    return found


class Sandbox:
    """One session's root folder, with clones a, b, ... in it; a context manager that removes it at the end.

    variables: what `save` steps have kept. shorts: short id -> ULID, all that any ids.yml has held so far.
    """

    def __init__(self, exe: str, setup: str = "none", env: Mapping[str, str] | None = None, keep: bool = False) -> None:
        self.exe, self.setup, self.keep = exe, setup, keep
        self.root = Path(tempfile.mkdtemp(prefix="session-")).resolve()
        self.clones: list[str] = []
        self.variables: dict[str, str] = {}
        self.shorts: dict[str, str] = {}
        home, scratch = self.root / "home", self.root / "tmp"
        home.mkdir()
        scratch.mkdir()
        (home / ".gitconfig").write_text(_GIT_CONFIG)
        self.env = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | {
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "USER": "session",
            "LOGNAME": "session",
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CEILING_DIRECTORIES": str(self.root),  # a repository around the temporary folder is not ours
            **(env or {}),
        }

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.keep:
            print(f"kept {self.root}", file=sys.stderr)
        else:
            shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *argv: str, cwd: Path | None = None) -> Ran:
        return run(argv, cwd or self.root, self.env)

    def git(self, *argv: str, cwd: Path | None = None) -> str:
        """For what must work whatever the executable did."""
        ran = self.run("git", *argv, cwd=cwd)
        if ran.exit != 0:
            raise RuntimeError(f"git {' '.join(argv)}: {ran.exit}: {ran.stderr}")
        return ran.stdout

    # Setup

    def prepare(self) -> None:
        """none: an empty folder a. git: one commit in a. default: and initialised. remote: and pushed to a bare
        origin.git, its issues synced, and clone b made. What the executable gets wrong here shows in later steps."""
        if self.setup not in ("none", "git", "default", "remote"):
            raise ValueError(f"unknown setup {self.setup}")
        a = self.root / "a"
        if self.setup == "remote":
            self.git("init", "-q", "--bare", "origin.git")
            self.git("symbolic-ref", "HEAD", "refs/heads/main", cwd=self.root / "origin.git")
            self.clone("a")
        else:
            a.mkdir()
            self.clones.append("a")
        if self.setup in ("git", "default"):
            self.git("init", "-q", cwd=a)
        if self.setup != "none":
            self.git("symbolic-ref", "HEAD", "refs/heads/main", cwd=a)
            (a / "README.md").write_text("# sandbox\n")
            self.git("add", ".", cwd=a)
            self.git("commit", "-qm", "initial", cwd=a)
        if self.setup in ("default", "remote"):
            self.run(self.exe, "init", "--prefix=test", cwd=a)
        if self.setup == "remote":
            self.run("git", "add", ".tbd", cwd=a)
            self.run("git", "commit", "-qm", "tbd init", cwd=a)
            self.run("git", "push", "-q", "-u", "origin", "main", cwd=a)
            self.run(self.exe, "sync", "--issues", cwd=a)
            with contextlib.suppress(RuntimeError):
                self.clone("b")

    def clone(self, name: str) -> None:
        self.clones.append(name)
        self.git("clone", "-q", "origin.git", name)

    # Data

    def _find_data(self, clone: str) -> tuple[Path, str] | None:
        base = self.root / clone
        places = {
            "common": base / ".git/tbd/data-sync-worktree/.tbd/data-sync",
            "worktree": base / ".tbd/data-sync-worktree/.tbd/data-sync",
            "plain": base / ".tbd/data-sync",
        }
        return next(((path, layout) for layout, path in places.items() if path.is_dir()), None)

    def data(self, clone: str) -> Path:
        found = self._find_data(clone)
        if found is None:
            raise FileNotFoundError(f"no data-sync folder in clone {clone}")
        return found[0]

    def issue(self, clone: str, ident: str) -> Path:
        if not ident.startswith("is-"):
            ident = f"is-{self.shorts[ident.split('-', 1)[-1]]}"
        return self.data(clone) / "issues" / f"{ident}.md"

    def learn_ids(self) -> None:
        for clone in self.clones:
            found = self._find_data(clone)
            ids = found and found[0] / "mappings/ids.yml"
            if ids and ids.is_file():
                self.shorts.update(_MAPPING.findall(_read(ids)))

    def tree(self, clone: str) -> Tree:
        base, found = self.root / clone, self._find_data(clone)
        files: dict[str, str] = {}
        if found:
            files = {n: t for n, t in _files(found[0], found[0]).items() if ".lock" not in n}
        for name in ("config.yml", ".gitignore", ".gitattributes"):
            if (base / ".tbd" / name).is_file():
                files[f"@.tbd/{name}"] = _read(base / ".tbd" / name)
        files |= {f"@{name}": text for name, text in _files(base / ".tbd/workspaces", base).items()}
        if (base / ".git/tbd/layout.yml").is_file():
            files["@layout.yml"] = _read(base / ".git/tbd/layout.yml")
        listing = self.run("git", "ls-tree", "-r", "--name-only", "tbd-sync", cwd=base)
        branch = listing.stdout.splitlines() if listing.exit == 0 else None
        return Tree(found[1] if found else None, files, branch)

    # Steps

    def fill(self, value: Any) -> Any:
        """Put saved values for ${NAME}; a KeyError names one that was never saved."""
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)\}", lambda match: self.variables[match[1]], value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return value

    def take(self, step: Step) -> Result:
        """Do one step. What goes wrong because of the executable is reported in the result and stops nothing."""
        try:
            filled = self.fill({key: value for key, value in step.items() if key != "answer"})
        except KeyError as unset:
            return Result(trouble=f"not done: no value for {unset}")
        result = Result()
        try:
            self._act(filled, result)
        except (OSError, LookupError, ValueError, RuntimeError) as error:
            result.trouble = f"{type(error).__name__}: {error}"
        self.learn_ids()
        if step.get("tree"):
            chosen = self.clones if step["tree"] == "all" else [step.get("in", "a")]
            result.trees = {clone: self.tree(clone) for clone in chosen}
        return result

    def _act(self, step: Step, result: Result) -> None:
        clone = step.get("in", "a")
        base = self.root / clone
        cwd = base / step.get("cwd", ".")
        if "run" in step:
            env = self.env | step.get("env", {})
            limit = step.get("timeout", STEP_SECONDS)
            ran = result.ran = run([self.exe, *step["run"]], cwd, env, step.get("stdin", ""), limit)
            if "--json" in step["run"]:
                result.documents = documents(ran.stdout)
                result.error_documents = [] if result.documents else documents(ran.stderr)
            for name, path in step.get("save", {}).items():
                self.variables[name] = _pick(single(result.documents), path)
        elif "write" in step:
            _write(base / step["write"]["path"], step["write"]["text"])
        elif "write_data" in step:
            _write(self.data(clone) / step["write_data"]["path"], step["write_data"]["text"])
        elif "edit_issue" in step:
            edit = step["edit_issue"]
            path = self.issue(clone, edit["id"])
            _write(path, _edited(path.read_bytes().decode(), edit))
        elif "delete_issue" in step:
            self.issue(clone, step["delete_issue"]).unlink()
        elif "git" in step:
            self.git(*step["git"], cwd=cwd)
        elif "clone" in step:
            self.clone(step["clone"])
        elif "save_head" in step:
            self.variables[step["save_head"]] = self.git("rev-parse", "tbd-sync", cwd=base).strip()
        elif "sleep" in step:
            time.sleep(step["sleep"])
        elif "tree" not in step:
            raise NotImplementedError(f"unknown step {step}")


def single(found: list[Any]) -> Any:
    """One document as itself, several as their list, none as None."""
    return found[0] if len(found) == 1 else found or None


def _pick(value: Any, path: str) -> str:
    """`issues.0.id` out of a document; a LookupError says that it is not there."""
    for part in path.split("."):
        if isinstance(value, list):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value[part]
        else:
            raise LookupError(f"nothing to save at {path}")
    return str(value)


def _edited(text: str, edit: Mapping[str, Any]) -> str:
    """replace: [[old, new]]; regex: [[pattern, new]], by line; crlf: every line end becomes \\r\\n."""
    for old, new in edit.get("replace", []):
        text = text.replace(old, new)
    for pattern, new in edit.get("regex", []):
        text = re.sub(pattern, new, text, flags=re.MULTILINE)
    if edit.get("crlf"):
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    return text


def _files(folder: Path, base: Path) -> dict[str, str]:
    return {path.relative_to(base).as_posix(): _read(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
