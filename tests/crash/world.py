"""Commands that are stopped, the clones they run in, and what must hold after a stop.

Each command is run undisturbed once; that tells what the files may look like. After a stop each file has its old bytes
or its new ones, the next command works at once, and the next syncs end where every clone has everything. No event is
lost or told twice: every journal's lines follow each other, and all are published.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from conftest import START_MS, Clone, Result, fixed_entropy, git, new_git
from kernel.test_heal import worktree
from kernel.test_mend import blob_of, break_object
from kernel.test_outbox import carry, only_own_branch, refuse_pushes
from kernel.test_sync import data_files, of_the_user, origin, sync, tip, tips
from killing import stopping
from store.test_lock import ended, hold
from tbdx.cli import common
from tbdx.errors import NotInitialized
from tbdx.store.journal import SEAL

LIMIT_S = 5.0  # faults.md P5
Files = dict[str, bytes]
Clones = tuple[Clone, Clone]
NEXT = ("update", "test-three", "--notes", "still here")


class Scenario(NamedTuple):
    """`prepare` brings two clones that have test-one, -two and -three to where `argv` is given in the clone `who`."""

    name: str
    argv: tuple[str, ...]
    prepare: Callable[[Clone, Clone], object] = lambda a, b: None
    who: str = "a"
    code: int = 0
    then: tuple[str, ...] = NEXT  # the next command after a stop
    finishes: bool = False  # whether a sync after a stop brings about all that the command would have


def _title(clone: Clone, text: str) -> None:
    assert clone.run("update", "test-one", "--title", text).code == 0


def _apart(a: Clone, b: Clone) -> None:
    """Both clones changed one title, and another field each; the remote has b's."""
    assert b.run("update", "test-one", "--title", "from b", "--priority", "0").code == 0
    sync(b)
    assert a.run("update", "test-one", "--title", "from a", "--add-label", "a").code == 0


def _merged(a: Clone, b: Clone) -> None:
    _apart(a, b)
    sync(a)


def _behind(a: Clone, b: Clone) -> None:
    _title(b, "from b")
    sync(b)


def _no_tracker(a: Clone, b: Clone) -> None:
    for path in (a.path, b.path, origin(a)):
        shutil.rmtree(path)
    git(a.path.parent, "init", "-q", "--bare", "origin.git")
    new_git(a.path)
    a.git("remote", "add", "origin", str(origin(a)))


def _fresh_clone(a: Clone, b: Clone) -> None:
    shutil.rmtree(b.path)
    git(a.path.parent, "clone", "-q", "origin.git", "b")


def _never_published(a: Clone, b: Clone) -> None:
    _title(a, "first out")
    git(origin(a), "update-ref", "-d", "refs/heads/tbd-sync")
    for clone in (a, b):
        clone.git("update-ref", "-d", "refs/remotes/origin/tbd-sync")


def _refused(a: Clone, b: Clone) -> None:
    refuse_pushes(origin(a))
    _title(a, "held back")


def _outbox(a: Clone, b: Clone) -> None:
    _refused(a, b)
    assert a.run("sync").code == 6
    (origin(a) / "hooks/pre-receive").unlink()
    _behind(a, b)


def _carried(a: Clone, b: Clone) -> None:
    only_own_branch(origin(b))
    _title(b, "in a sandbox")
    assert b.run("sync").code == 6
    carry(b)
    (origin(b) / "hooks/update").unlink()


def _bundle(a: Clone, b: Clone) -> None:
    _title(b, "by bundle")
    _title(a, "meanwhile")
    assert b.run("bundle", "create", "../carried.bundle").code == 0


def _saved(a: Clone, b: Clone) -> None:
    _title(b, "in a copy")
    assert b.run("create", "also in it").code == b.run("save", "--dir", "../copy").code == 0


def _detached(a: Clone, b: Clone) -> None:
    _merged(a, b)
    git(worktree(a), "checkout", "-q", "--detach", "HEAD~1")


def _untied(a: Clone, b: Clone) -> None:
    _apart(a, b)
    (worktree(a) / ".git").unlink()
    shutil.rmtree(a.path / ".git/worktrees")


def _damaged(a: Clone, b: Clone) -> None:
    _title(a, "now another file")
    break_object(blob_of(a, "test-one")[1])


def _dead_holder(a: Clone, b: Clone) -> None:
    hold(a.kernel.repo.lock, pid=ended(), boot="another")


def emit(clone: Clone, *more: str) -> None:
    assert clone.run("ev", "emit", "--type", "agent.status", "--body", '{"state":"busy"}', *more).code == 0


def _journal(clone: Clone) -> Path:
    (path,) = (clone.path / ".git/tbdx/journal").glob("*.jsonl")
    return path


def _torn(a: Clone, b: Clone) -> None:
    with _journal(a).open("a") as f:
        f.write('{"v":1,"event_id":"01')


def _sealed(a: Clone, b: Clone) -> None:
    row = json.dumps({"state": "x" * 33_000})
    for _ in range(2):
        assert a.run("ev", "emit", "--type", "agent.status", "--body", "-", stdin=row).code == 0
    assert _journal(a).stat().st_size > SEAL


def _events_on_both_sides(a: Clone, b: Clone) -> None:
    emit(b)
    sync(b)
    emit(a)
    emit(a, "--as", "another")


def _shared_events(a: Clone, b: Clone) -> None:
    _events_on_both_sides(a, b)
    sync(a, b, a)


def _unshared(a: Clone, b: Clone) -> None:
    assert a.run("coord", "off").code == 0
    emit(a)


def _exported(a: Clone, b: Clone) -> None:
    emit(b)
    (a.path.parent / "theirs.jsonl").write_text(b.run("ev", "export").out)


def _added(a: Clone, b: Clone) -> None:
    (a.path / "note.txt").write_text("as it was")
    assert a.run("artifact", "add", "note.txt").code == 0
    sync(a, b)
    (a.path / "note.txt").write_text("as it is")


EMIT = ("ev", "emit", "--type", "agent.status", "--body", '{"state":"idle"}', "--json")
SCENARIOS = [
    Scenario("init", ("init", "--prefix=test"), _no_tracker, then=("list",)),
    Scenario("the first command of a clone", ("list",), _fresh_clone, "b"),
    Scenario("create", ("create", "made", "-d", "with a text", "-l", "x")),
    Scenario("create with relatives", ("create", "made", "--parent", "test-one", "--depends-on", "test-two")),
    Scenario("create past a dead holder", ("create", "made"), _dead_holder),
    Scenario("update", ("update", "test-one", "--title", "new", "--notes", "told\nmore", "--priority", "0")),
    Scenario("update of a parent", ("update", "test-one", "--parent", "test-two")),
    Scenario("close", ("close", "test-one", "test-two", "--reason", "done")),
    Scenario("label add", ("label", "add", "test-one", "x", "y")),
    Scenario("sync: commit", ("sync",), lambda a, b: _title(a, "new"), finishes=True),
    Scenario("sync: fast-forward", ("sync",), _behind, finishes=True),
    Scenario("sync: merge", ("sync",), _apart, finishes=True),
    Scenario("sync: first push", ("sync",), _never_published, finishes=True),
    Scenario("sync: refused", ("sync",), _refused, code=6, finishes=True),
    Scenario("sync: own outbox", ("sync",), _outbox, finishes=True),
    Scenario("sync: outbox on a branch", ("sync",), _carried, finishes=True),
    Scenario("sync: worktree untied", ("sync",), _untied, finishes=True),
    Scenario("bundle create", ("bundle", "create", "../a.bundle"), _apart),
    Scenario("bundle apply", ("bundle", "apply", "../carried.bundle"), _bundle),
    Scenario("save", ("save", "--workspace", "w"), _apart),
    Scenario("import", ("import", "--dir", "../copy", "--clear-on-success"), _saved),
    Scenario("workspace delete", ("workspace", "delete", "w"), lambda a, b: a.run("save", "--workspace", "w")),
    Scenario("doctor --fix: detached", ("doctor", "--fix"), _detached, finishes=True),
    Scenario("doctor --fix: damaged", ("doctor", "--fix"), _damaged, then=("doctor", "--fix"), finishes=True),
    Scenario("attic restore", ("attic", "restore", "test-one", "LOST"), _merged),
    Scenario("ev emit", EMIT),
    Scenario("ev emit past a torn line", EMIT, _torn),
    Scenario("ev import", ("ev", "import", "../theirs.jsonl"), _exported),
    Scenario("ev compact", ("ev", "compact"), _shared_events),
    Scenario("coord on", ("coord", "on"), _unshared),
    Scenario("sync: events", ("sync",), _events_on_both_sides, finishes=True),
    Scenario("ev emit into a new segment", EMIT, _sealed),
    Scenario("agent register", ("agent", "register", "--role", "tester")),
    Scenario("msg send", ("msg", "send", "--to", "all", "--body", "one")),
    Scenario("handoff", ("handoff", "test-one", "--to", "ben", "--summary", "half")),
    Scenario("artifact add", ("artifact", "add", "note.txt"), _added),
]


class World:
    """Two clones and their remote, put back to where a scenario begins as often as wanted."""

    def __init__(self, clones: Clones, scenario: Scenario, *, checks: bool = True) -> None:
        """Without `checks` only `points` is known: how often the command comes to each failpoint."""
        self.a, self.b = clones
        self.root, self.scenario = self.a.path.parent, scenario
        self.seen = set[bytes]()
        if (self.root / "base").exists():
            self._put_back("base")
        else:
            self._keep("base")
        self._at_hour(1)
        scenario.prepare(*clones)
        self.argv = scenario.argv
        if "LOST" in self.argv:
            when = self.a.json("attic", "list", "test-one")[0]["timestamp"]
            self.argv = tuple(when if part == "LOST" else part for part in self.argv)
        self._keep("begin")
        self.told = {line for clone in clones for line in self._lines(clone)}
        self.runner = self.a if scenario.who == "a" else self.b
        self.user = self._of_the_user()
        self.before = self.files()
        self.ends = [self._end()[0]] if checks and not scenario.finishes else []
        self.restore()
        with stopping(lambda _: "") as stop:
            done = self.command()
        assert done.code == scenario.code, done
        self.points = Counter(stop.reached)
        self.after = self.files()
        self.ends += [self._end()[0]] if checks else []

    def restore(self) -> None:
        """Back to where the command is given, with the same clock and chance each time."""
        self._put_back("begin")
        self._at_hour(2)
        common.entropy = self.a.entropy = self.b.entropy = fixed_entropy(10_000)  # not what made the journals

    def command(self) -> Result:
        return self.runner.run(*self.argv)

    def check(self, done: Result | None) -> float | None:
        """Hold the promises to what a stop left; `done` None is a kill. The seconds that the next command took.

        None where a stop before left the very same, which the next syncs then made the same of.
        """
        left = self.files()
        assert left.keys() >= self.before.keys() & self.after.keys()
        for path, data in left.items():
            half = path.endswith(".tmp") and not path.startswith("data/")
            extra = "/outbox/" in path and done is not None and done.code == 6
            assert half or extra or _is_one_of(path, data, self.before, self.after), f"{path} is neither old nor new"
        if done is not None:
            assert "Traceback" not in done.err and "--debug shows where" not in done.err, done
            acknowledged = done.code == self.scenario.code == 0 and "were not looked for" not in done.err
            if acknowledged and self.argv == EMIT:
                assert json.loads(done.out)["event_id"] in "".join(self._lines(self.runner)), "acknowledged and lost"
            assert not acknowledged or same(left, self.after), f"acknowledged and not done: {done}"
        assert self._of_the_user() == self.user
        digest = self._digest()
        if digest in self.seen:
            return None
        self.seen.add(digest)
        end, took = self._end()
        for path in set[str]().union(end, *self.ends):
            assert _is_one_of(path, end.get(path), *self.ends), f"{path} is not what it should be in the end"
        return took

    def files(self) -> Files:
        """What the command may change, by where it is: the tracker's data, `.tbd`, and what lies beside the clones."""
        out = {f"data/{rel}": found for rel, found in _data(self.runner).items()}
        out |= {path.name: self._in_bundle(path) for path in self.root.glob("*.bundle")}
        for folder in (self.runner.path / ".tbd", self.root / "copy"):
            out |= {str(p.relative_to(self.root)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return out

    def _next(self) -> float:
        """The next command: it works, and soon. How many seconds it took."""
        self._at_hour(3)
        began = time.monotonic()
        done = self.runner.run(*self.scenario.then)
        took = time.monotonic() - began
        if "Not a tbd repository" in done.err:  # an init that did not come so far is given again
            assert self.command().code == 0
            done = self.runner.run(*self.scenario.then)
        assert done.code == 0 and took < LIMIT_S, (done, took)
        return took

    def _end(self) -> tuple[Files, float]:
        """Give the next command, then sync all clones until they are still; (the files then, seconds of the first)."""
        took = self._next()
        (origin(self.a) / "hooks/pre-receive").unlink(missing_ok=True)
        there = [c for c in (self.a, self.b) if c.path.exists()]
        sync(self.runner, *(clone for clone in there if clone is not self.runner), self.runner)
        tips = [tip(clone) for clone in there]
        sync(*there)
        assert tips == [tip(clone) for clone in there] and len(set(tips)) == 1, "the clones do not come to rest"
        found = [_data(clone) for clone in there]
        assert all(data == found[0] for data in found)
        self._end_of_events(there)
        return self.files(), took

    def _end_of_events(self, there: list[Clone]) -> None:
        """No event is lost, no seq is given twice, every line follows the one before, and the remote has them all."""
        shared = [clone for clone in there if clone.kernel.coordination.on]
        lines = {clone.path.name: self._lines(clone) for clone in there}
        assert all(lines[clone.path.name] == lines[shared[0].path.name] for clone in shared), "not all have all events"
        for clone in there:
            done = clone.run("ev", "verify")
            assert done.code == 0, done.out
        for clone in shared:
            assert clone.json("coord", "status")["unpublished"] == 0
            assert tips(clone.path) == tips(origin(clone))
        held = set[str]().union(*lines.values())
        for path in self.root.glob("?/.git/tbdx/journal/local/*.jsonl"):  # from before they were shared
            held |= set(path.read_text().splitlines())
        points = [json.loads(path.read_bytes()) for path in self.root.glob("?/.git/tbdx/cache/coord/checkpoint/*")]
        for event in map(json.loads, self.told - held):
            assert any(event["seq"] <= p["vector"].get(event["writer"], 0) for p in points), f"lost: {event}"

    def _lines(self, clone: Clone) -> list[str]:
        """Every event that a clone has, as its line; none where there is no tracker."""
        folder = clone.path / ".git/tbdx"
        return clone.run("ev", "export").out.splitlines() if folder.exists() else []

    def _digest(self) -> bytes:
        """What tells two states of all clones and their remote apart: each file's content, but of the cache its size,
        and of a lock, whose token comes by chance, that it is there."""
        out = hashlib.sha1()
        ours = [place for place in self.root.iterdir() if place.name not in ("home", "base", "begin")]
        for path in sorted(path for place in ours for path in (place, *place.rglob("*"))):
            name = str(path.relative_to(self.root))
            if "/locks/" in name:
                out.update(f"{os.path.dirname(name)} {len(name.split('owner'))}\0".encode())
                continue
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            out.update(f"{name} {len(data)}\0".encode() + (b"" if "/tbdx/cache" in name else data))
        return out.digest()

    def _in_bundle(self, path: Path) -> bytes:
        """The tree that a bundle carries; its bytes have the hour in them."""
        git(self.root, "clone", "-q", "--bare", "--branch=tbd-sync", path.name, "read.git")
        found = git(self.root / "read.git", "rev-parse", "HEAD^{tree}").encode()
        shutil.rmtree(self.root / "read.git")
        return found

    def _of_the_user(self) -> dict[str, object]:
        return {k: v for k, v in of_the_user(self.runner).items() if not k.startswith((".tbd/", ".coord/"))}

    def _at_hour(self, n: int) -> None:
        self.a.clock.at = START_MS + n * 3_600_000

    def _keep(self, name: str) -> None:
        ours = ("a", "b", "origin.git", "*.bundle", "copy", "*.jsonl")
        for path in (p for pattern in ours for p in self.root.glob(pattern)):
            target = self.root / name / path.name
            target.parent.mkdir(exist_ok=True)
            shutil.copytree(path, target, symlinks=True) if path.is_dir() else shutil.copy2(path, target)

    def _put_back(self, name: str) -> None:
        for path in (p for p in self.root.iterdir() if p.name not in ("home", "base", name)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(self.root / name, self.root, symlinks=True, dirs_exist_ok=True)


def _data(clone: Clone) -> Files:
    try:
        return data_files(clone)
    except NotInitialized:
        return {}


def _is_one_of(path: str, data: bytes | None, *states: Files) -> bool:
    return any(_compared(path, data) == _compared(path, state.get(path)) for state in states)


def same(a: Files, b: Files) -> bool:
    """Whether two states are the same, but for the chance in short ids."""
    return a.keys() == b.keys() and all(_compared(path, a[path]) == _compared(path, b[path]) for path in a)


def _compared(path: str, data: bytes | None) -> object:
    """What counts of a file. Short ids are given by chance, and again after a stop that took them: of ids.yml, the
    issues; the id of a project likewise. What has to be healed first looks at the clock more often: of a time, all but
    the milliseconds."""
    if data is not None and path.endswith("ids.yml"):
        return {row.partition(b": ")[2] for row in data.splitlines()}
    if data is not None and path.endswith("tbdx.yml"):  # an init that is given again gives another id
        return [row for row in data.splitlines() if not row.startswith(b"project: uid:")]
    return data and re.sub(rb"(\d\d:\d\d:\d\d)\.\d{3}Z", rb"\1Z", data)
