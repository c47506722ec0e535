"""Play recorded sessions of a real tbd against an executable and tell where its answers differ.

    python -m compat.play EXE [-k NAME] [--known compat/differences.yml] [-v] [-j N] [--keep]

EXE is tbdx, a real tbd, or anything with their command line. A session (fixtures/sessions/NAME.json) is a setup and
a list of steps; each step holds what to do and the real tbd's `answer`. One line is printed for each session, the
differences of each step below it, totals last. The exit code is 1 for a difference that --known does not list, and
for one that it lists and that does not occur, so that the list stays true.

Compared exactly: exit codes, JSON values, the set of data files, their values, the order of their keys.
Compared loosely: text (empty or not, which ids in which order; `text: exact` and `ignore` on a step change that),
the words of errors, git's own files under .tbd.
Allowed: more keys in printed JSON than tbd has (never in files), JSON where tbd succeeds silently, more attic
entries, exit 2 where tbd's command line parser exits 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from compat.normal import Placeholders, file_form, read_yaml, texts
from compat.sandbox import Result, Sandbox, Step, single

SESSIONS = Path(__file__).resolve().parent.parent / "fixtures" / "sessions"
SHOWN = 4  # differences of one step that are printed without -v

_IDS = re.compile(r"(?:[a-z][a-z0-9._]*-)?<S\d+>")

Answer = dict[str, Any]
"""What one step answered, all strings with placeholders for what differs between runs:

exit: exit code, stdout, stderr: for steps that run the executable (a recorded answer leaves stdout out beside json)
json: with --json, the document on stdout (a list of them if there are several); absent when there is none
json_err: the same of stderr, when stdout has none
tree: clone -> {layout, sync_branch: paths or None, files: name -> `normal.file_form`}, for steps with `tree`
trouble: why the step could not be done as written
"""


@dataclass(frozen=True)
class Session:
    """A recorded session, as its file has it (which also says what it is about and which tbd was recorded).

    setup: none, git, default or remote, see `Sandbox.prepare`. env: for all steps.
    steps: see `sandbox.Step`; numbered from 1, each with the real tbd's `Answer` under "answer".
    """

    name: str
    area: str
    setup: str
    env: dict[str, str]
    steps: list[Step]

    @property
    def script(self) -> str:
        """All text that stands in the session itself and is therefore the same in every run."""
        steps = [{key: value for key, value in step.items() if key != "answer"} for step in self.steps]
        return "\n".join(texts([self.name, self.env, steps]))


def load_sessions(folder: Path = SESSIONS) -> list[Session]:
    """All sessions of a folder, by file name."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return [Session(s["name"], s["area"], s["setup"], s.get("env", {}), s["steps"]) for s in found]


def load_known(path: Path) -> dict[tuple[str, int], str]:
    """A list of {scenario, step, reason} as (scenario, step) -> reason."""
    known: dict[tuple[str, int], str] = {}
    for entry in read_yaml(path.read_text(encoding="utf-8")) or []:
        key = (entry["scenario"], entry["step"])
        if key in known or not str(entry["reason"]).strip():
            raise ValueError(f"{path}: {key} is listed twice or without a reason")
        known[key] = entry["reason"]
    return known


# Playing


@lru_cache
def _version(exe: str) -> str:
    """What --version prints; empty, so that nothing is replaced by a placeholder, when that is not one line."""
    with Sandbox(exe) as sandbox:
        said = sandbox.run(exe, "--version").stdout.strip()
    return said if "\n" not in said else ""


@lru_cache
def _git_version() -> str:
    return subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]


def play(exe: str | Path, session: Session, keep: bool = False) -> list[Answer]:
    """Do every step of a session with an executable, in a fresh place, and return its answers, one per step."""
    command = str(Path(exe).absolute())
    with Sandbox(command, session.setup, session.env, keep) as sandbox:
        sandbox.prepare()
        results = [sandbox.take(step) for step in session.steps]
        # only now are all ids known
        names = Placeholders(str(sandbox.root), _version(command), _git_version(), sandbox.shorts, session.script)
        return [_answer(result, names) for result in results]


def _answer(result: Result, names: Placeholders) -> Answer:
    """The recordings depend on the order of these lines: in it the placeholders get their numbers."""
    answer: Answer = {}
    if result.trouble:
        answer["trouble"] = result.trouble
    if result.ran:
        answer["exit"] = result.ran.exit
        answer["stdout"] = names.text(result.ran.stdout)
        answer["stderr"] = names.text(result.ran.stderr)
    if result.documents:
        answer["json"] = names.data(single(result.documents))
    if result.error_documents:
        answer["json_err"] = names.data(single(result.error_documents))
    if result.trees is not None:
        answer["tree"] = {}
        for clone, tree in result.trees.items():
            files = {names.text(name): file_form(name, text, names) for name, text in tree.files.items()}
            branch = tree.branch and sorted(names.text(path) for path in tree.branch)
            answer["tree"][clone] = {"layout": tree.layout, "sync_branch": branch, "files": files}
    return answer


# Comparing


def differences(session: Session, answers: Sequence[Answer]) -> list[tuple[int, str]]:
    """(step, what differs) for every difference between the recorded answers and these, in the order of the steps."""
    return [
        (number, text)
        for number, (step, answer) in enumerate(zip(session.steps, answers, strict=True), 1)
        for text in _step_differences(step, answer, sorted_ids=session.setup != "remote")
    ]


def _step_differences(step: Step, got: Answer, sorted_ids: bool) -> Iterator[str]:
    want: Answer = step["answer"]
    if "trouble" in got and "trouble" not in want:
        yield got["trouble"]
    if want.get("exit") != got.get("exit") and not (_is_usage_error(want) and got.get("exit") == 2):
        yield f"exit {want.get('exit')} != {got.get('exit')}, stderr {_short(got.get('stderr'))}"
    if "exit" in want and "exit" in got:
        yield from _output_differences(step, want, got)
    for clone, tree in want.get("tree", {}).items():
        if clone in got.get("tree", {}):
            yield from (f"{clone}: {text}" for text in _tree_differences(tree, got["tree"][clone], sorted_ids))
        else:
            yield f"{clone}: no files to compare"


def _is_usage_error(answer: Answer) -> bool:
    """tbd's own errors begin with "Error: "; this is its command line parser speaking, with 1 where others use 2."""
    return bool(answer.get("exit") == 1 and answer["stderr"].startswith("error: "))


def _output_differences(step: Step, want: Answer, got: Answer) -> Iterator[str]:
    how = step.get("text", "loose")
    silent = "json" not in want and not want.get("stdout", "").strip()
    if "--json" in step["run"] and how != "ignore":
        if not (silent and want["exit"] == 0):
            yield from _document_differences(want, got, "json", "stdout")
            yield from _document_differences(want, got, "json_err", "stderr")
        compare_text = "json" not in want and not silent and how == "exact"
    else:
        compare_text = how != "ignore"
    if compare_text and how == "exact" and want["stdout"].rstrip() != got["stdout"].rstrip():
        yield f"stdout {_short(want['stdout'])} != {_short(got['stdout'])}"
    if compare_text and how == "loose":
        if bool(want["stdout"].strip()) != bool(got["stdout"].strip()):
            yield f"stdout {_short(want['stdout'])} != {_short(got['stdout'])}: one is empty"
        if _IDS.findall(want["stdout"]) != _IDS.findall(got["stdout"]):
            yield f"ids in stdout {_IDS.findall(want['stdout'])} != {_IDS.findall(got['stdout'])}"
    if want["exit"] != 0 and bool(want["stderr"].strip()) != bool(got["stderr"].strip()):
        yield f"stderr {_short(want['stderr'])} != {_short(got['stderr'])}: one is empty"


def _document_differences(want: Answer, got: Answer, key: str, where: str) -> Iterator[str]:
    if key in want and key in got:
        yield from _unequal(_wordless(want[key]), _wordless(got[key]), where)
    elif key in want:
        yield f"{where}: no JSON, {_short(want[key])} wanted"
    elif key in got:
        yield f"{where}: JSON {_short(got[key])}, none wanted"


def _wordless(document: Any) -> Any:
    """Of an error object only the keys count. (Where tbd prints two of them, a list here, their words do count.)"""
    return dict.fromkeys(document, "...") if isinstance(document, dict) and "error" in document else document


def _tree_differences(want: dict[str, Any], got: dict[str, Any], sorted_ids: bool) -> Iterator[str]:
    if want["layout"] != got["layout"]:
        yield f"layout {want['layout']} != {got['layout']}"
    for name in want["files"]:
        if name not in got["files"]:
            yield f"{name}: missing"
        else:
            yield from _file_differences(name, want["files"][name], got["files"][name], sorted_ids)
    for name in got["files"]:
        if name not in want["files"] and "attic/" not in name:
            yield f"{name}: not in the recording"
    yield from _unequal(_no_attic(want["sync_branch"]), _no_attic(got["sync_branch"]), "files on the sync branch")


def _no_attic(paths: list[str] | None) -> list[str] | None:
    return None if paths is None else [path for path in paths if "attic/" not in path]


def _file_differences(name: str, want: dict[str, Any], got: dict[str, Any], sorted_ids: bool) -> Iterator[str]:
    """sorted_ids: whether ids.yml must be sorted where tbd's was; after a union merge by git it is not."""
    kind = want["kind"]
    if kind != got["kind"]:
        yield f"{name}: {kind} != {got['kind']}"
    elif kind == "issue":
        if list(want["fields"]) != list(got["fields"]):
            yield f"{name}: keys {list(want['fields'])} != {list(got['fields'])}"
        yield from _unequal(want["fields"], got["fields"], name, closed=True)
        yield from _unequal(want["body"], got["body"], f"{name}, body")
        yield from _unequal(want["rel"], got["rel"], name)
    elif kind == "ids":
        yield from _unequal(want["map"], got["map"], name, closed=True)
        if sorted_ids and want["sorted"] and not got["sorted"]:
            yield f"{name}: keys are not in string order"
    elif kind == "yaml":
        yield from _unequal(want["value"], got["value"], name, closed=True, ordered=True)
    elif kind == "text" and "text" in want and want["text"].strip() != got["text"].strip():
        yield f"{name}: text {_short(want['text'])} != {_short(got['text'])}"


def _unequal(want: Any, got: Any, where: str, closed: bool = False, ordered: bool = False) -> Iterator[str]:
    """Differences between two pieces of JSON. closed: more keys than wanted are one; ordered: so is their order."""
    if isinstance(want, dict) and isinstance(got, dict):
        missing, extra = [k for k in want if k not in got], [k for k in got if k not in want]
        if missing:
            yield f"{where}: missing keys {missing}"
        if extra and closed:
            yield f"{where}: extra keys {extra}"
        if ordered and not missing and not extra and list(want) != list(got):
            yield f"{where}: keys {list(want)} != {list(got)}"
        for key in want:
            if key in got:
                yield from _unequal(want[key], got[key], f"{where}.{key}", closed, ordered)
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for index, (one, other) in enumerate(zip(want, got, strict=True)):
            yield from _unequal(one, other, f"{where}[{index}]", closed, ordered)
    elif want != got or isinstance(want, bool) != isinstance(got, bool):  # True == 1 in Python, not in JSON
        yield f"{where}: {_short(want)} != {_short(got)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


# Command line


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m compat.play", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exe", help="the executable to play against")
    parser.add_argument("-k", metavar="NAME", default="", help="only sessions with NAME in their name")
    parser.add_argument("--known", type=Path, metavar="FILE", help="YAML list of {scenario, step, reason}")
    parser.add_argument("--sessions", type=Path, default=SESSIONS, metavar="FOLDER", help="other recordings")
    parser.add_argument("-v", action="store_true", help="print the steps that agree too, and every difference")
    parser.add_argument("-j", type=int, default=os.cpu_count() or 1, metavar="N", help="sessions at a time")
    parser.add_argument("--keep", action="store_true", help="leave the folders in which the sessions ran")
    args = parser.parse_args(argv)
    exe = shutil.which(args.exe)
    if exe is None:
        parser.error(f"{args.exe} is no executable")
    everything = load_sessions(args.sessions)
    sessions = [session for session in everything if args.k in session.name]
    if not sessions:
        parser.error(f"no session has {args.k!r} in its name")
    # with -k, what is listed for the sessions left out is not asked for
    left_out = {session.name for session in everything} - {session.name for session in sessions}
    known = {key: why for key, why in (load_known(args.known) if args.known else {}).items() if key[0] not in left_out}

    def differing(session: Session) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for step, text in differences(session, play(exe, session, args.keep)):
            found.setdefault(step, []).append(text)
        return found

    agreeing_sessions = agreeing_steps = 0
    met: set[tuple[str, int]] = set()
    with ThreadPoolExecutor(args.j) as pool:
        for session, found in zip(sessions, pool.map(differing, sessions), strict=True):
            listed = {step for step in found if (session.name, step) in known}
            met |= {(session.name, step) for step in listed}
            unlisted = len(found) - len(listed)
            agreeing_sessions += not unlisted
            agreeing_steps += len(session.steps) - unlisted
            _report(session, found, listed, args.v)
    unmet = sorted(set(known) - met)
    for name, number in unmet:
        print(f"listed, but does not differ: {name} {number} ({known[name, number]})")
    steps = sum(len(session.steps) for session in sessions)
    print(
        f"{agreeing_sessions} of {len(sessions)} sessions, {agreeing_steps} of {steps} steps agree;"
        f" {len(met)} differ as listed, {len(unmet)} listed do not differ"
    )
    return 0 if agreeing_steps == steps and not unmet else 1


def _report(session: Session, found: dict[int, list[str]], listed: set[int], verbose: bool) -> None:
    """found: step -> its differences. Listed steps, and those that agree, get lines of their own only with verbose."""
    unlisted = len(found) - len(listed)
    verdict = f"{unlisted} of {len(session.steps)} steps differ" if unlisted else "ok"
    print(f"{session.name}: {verdict}" + (f", {len(listed)} differ as listed" if listed else ""), flush=True)
    for number, step in enumerate(session.steps, 1):
        all_texts = found.get(number, [])
        if verbose or (all_texts and number not in listed):
            verdict = "ok" if not all_texts else "differs as listed" if number in listed else "differs"
            print(f"  {session.name} {number} {verdict} [{_title(step)}]")
            shown = all_texts if verbose else all_texts[:SHOWN]
            for text in shown:
                print(f"      {text}")
            if len(shown) < len(all_texts):
                print(f"      and {len(all_texts) - len(shown)} more")


def _title(step: Step) -> str:
    """The argv of a step, or its key and what that names."""
    if "run" in step:
        return " ".join(step["run"])
    return _short({key: value for key, value in step.items() if key not in ("answer", "tree", "in")})


if __name__ == "__main__":
    sys.exit(main())
