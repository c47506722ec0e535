"""Whatever a command changes of the tracker, it changes under the lock; and what it stands on it has read there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from conftest import Clone, git, some_of
from kernel.test_outbox import carry, only_own_branch, refuse_pushes
from kernel.test_sync import Clones, origin, settle, sync
from tbdx.errors import TbdxError
from tbdx.kernel import edit
from tbdx.store import config as settings
from tbdx.store import files, journal
from tbdx.store.git import Git
from tbdx.store.lock import Lock

CALLS = ("write", "create", "remove", "remove_tree", "move", "replace")  # of `files`: the path that changes comes first
ON_REFS = ("move_refs", "put_worktree_on", "tie_worktree", "add_worktree")


class Watch:
    """Notes what was changed of one clone's tracker, or of its events, while nobody held the lock of that."""

    def __init__(self, clone: Clone) -> None:
        repo = clone.kernel.repo
        self.lock, self.common = repo.lock, repo.common
        self.ours = (f"{repo.shared}/data-sync", f"{repo.own}/intent", f"{clone.path}/.tbd/workspaces")
        self.ours += (f"{repo.own}/artifacts/",)
        self.events = (f"{repo.own}/journal/", f"{repo.own}/cache/coord/")
        self.events_lock = f"{repo.own}/coord.lock"
        self.changes, self.of_events, self.bare = 0, 0, list[str]()

    def note(self, what: str) -> None:
        self.changes += 1
        if not os.path.isdir(f"{self.lock}/owner"):
            self.bare.append(what)

    def note_events(self, what: str) -> None:
        self.of_events += 1
        if not self.is_taken():
            self.bare.append(what)

    def is_taken(self) -> bool:
        """Whether somebody holds the lock of the events."""
        if not os.path.exists(self.events_lock):
            return False
        with open(self.events_lock) as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def note_path(self, name: str, path: str) -> None:
        of_git = path.startswith((f"{self.common}/refs/", f"{self.common}/worktrees/"))
        if path.startswith(self.ours) or of_git:
            self.note(f"{name} {path}")
        if path.startswith(self.events):
            self.note_events(f"{name} {path}")


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Clone], Watch]]:
    watches: list[Watch] = []

    def on_files(name: str) -> None:
        real = getattr(files, name)

        def noting(*args: Any, **more: Any) -> Any:
            for one in watches:
                for path in args[:2] if name == "move" else args[1:2] if name == "replace" else args[:1]:
                    one.note_path(name, path)
            return real(*args, **more)

        monkeypatch.setattr(files, name, noting)

    def on_refs(name: str) -> None:
        real = getattr(Git, name)

        def noting(self: Git, *args: Any) -> Any:
            for one in watches:
                if one.common == self.repo.common:
                    note = one.note_events if "refs/heads/tbd-coord" in str(args) else one.note
                    note(f"{name} {args}")
            return real(self, *args)

        monkeypatch.setattr(Git, name, noting)

    for name in CALLS:
        on_files(name)
    for name in ON_REFS:
        on_refs(name)
    append, enter = journal.append, Lock.__enter__

    def appending(repo: Any, writer: str, *more: Any) -> None:
        for one in watches:
            one.note_path("append", f"{repo.own}/journal/{writer}.jsonl")
        append(repo, writer, *more)

    def entering(self: Lock) -> Lock:
        for one in watches:
            if one.lock == self.path and one.is_taken():
                one.bare.append("tbd's lock is taken after that of the events")
        return enter(self)

    monkeypatch.setattr(journal, "append", appending)
    monkeypatch.setattr(Lock, "__enter__", entering)

    def begin(clone: Clone) -> Watch:
        watches.append(Watch(clone))
        return watches[-1]

    yield begin


def _edited(a: Clone, b: Clone) -> None:
    (x,) = [row["id"] for row in a.json("list") if row["title"] == "x"]
    sync(b)
    assert a.run("update", x, "--title", "from a").code == b.run("update", x, "--title", "from b").code == 0


def _diverged(a: Clone, b: Clone) -> None:
    _edited(a, b)
    sync(b)


def _merged(a: Clone, b: Clone) -> None:
    _diverged(a, b)
    sync(a)


def _behind(a: Clone, b: Clone) -> None:
    sync(b)
    b.create("news")
    sync(b)


def _outbox(a: Clone, b: Clone) -> None:
    refuse_pushes(origin(a))
    a.create("held back")
    assert a.run("sync").code == 6
    (origin(a) / "hooks/pre-receive").unlink()


def _carried(a: Clone, b: Clone) -> None:
    sync(b)
    only_own_branch(origin(b))
    b.create("in a sandbox")
    assert b.run("sync").code == 6
    carry(b)
    (origin(b) / "hooks/update").unlink()


def _bundle(a: Clone, b: Clone) -> None:
    _edited(a, b)
    assert b.run("bundle", "create", "../x.bundle").code == 0


def _saved(a: Clone, b: Clone) -> None:
    sync(b)
    b.create("in a copy")
    assert b.run("save", "--dir", "../copy").code == 0


def _beads(a: Clone, b: Clone) -> None:
    row = '{"id":"bd-1","title":"From Beads","status":"open","priority":1,"issue_type":"task"}\n'
    (a.path / "issues.jsonl").write_text(row)


def _detached(a: Clone, b: Clone) -> None:
    _merged(a, b)
    git(Path(a.kernel.repo.worktree), "checkout", "-q", "--detach", "HEAD~1")


def _fresh(a: Clone, b: Clone) -> None:
    shutil.rmtree(a.kernel.repo.shared)
    a.git("worktree", "prune")


def _fresh_with_a_lock(a: Clone, b: Clone) -> None:
    _fresh(a, b)
    (a.path / ".git/refs/heads/tbd-sync.lock").touch()


def _large(a: Clone) -> None:
    (a.path / "a.txt").write_bytes(b"x" * (2 << 20))


class Case(NamedTuple):
    name: str
    argv: tuple[str, ...]  # X is the issue `x`
    prepare: Callable[[Clone, Clone], object] = lambda a, b: None
    stdin: str = ""


CASES = [
    Case("create", ("create", "y")),
    Case("update", ("update", "X", "--priority", "0")),
    Case("close", ("close", "X")),
    Case("reopen", ("reopen", "X"), lambda a, b: a.run("close", a.json("list")[0]["id"])),
    Case("start", ("start", "X", "--as", "me")),
    Case("pause", ("pause", "X")),
    Case("resume", ("resume", "X"), lambda a, b: a.run("pause", a.json("list")[0]["id"])),
    Case("label", ("label", "add", "X", "l")),
    Case("depend", ("dep", "add", "X", "Y"), lambda a, b: a.create("other")),
    Case("agent register", ("agent", "register", "ann")),
    Case("agent retire", ("agent", "retire", "ann"), lambda a, b: a.run("agent", "register", "ann")),
    Case("msg send", ("msg", "send", "--to", "all", "--body", "x")),
    Case("artifact add", ("artifact", "add", "a.txt"), lambda a, b: (a.path / "a.txt").write_text("a")),
    Case("artifact add of a large one", ("artifact", "add", "a.txt"), lambda a, b: _large(a)),
    Case("handoff", ("handoff", "X", "--to", "ann", "--summary", "half")),
    Case("attic restore", ("attic", "restore", "X", "LOST"), _merged),
    Case("beads", ("import", "issues.jsonl"), _beads),
    Case("save", ("save", "--workspace", "w")),
    Case("import", ("import", "--dir", "../copy"), _saved),
    Case("workspace delete", ("workspace", "delete", "w"), lambda a, b: a.run("save", "--workspace", "w")),
    Case("sync: commit", ("sync",), lambda a, b: a.create("y")),
    Case("sync: merge", ("sync",), _diverged),
    Case("sync: fast-forward", ("sync",), _behind),
    Case("sync: own outbox", ("sync",), _outbox),
    Case("sync: outbox on a branch", ("sync",), _carried),
    Case("bundle create", ("bundle", "create", "../y.bundle"), lambda a, b: a.create("y")),
    Case("bundle apply", ("bundle", "apply", "../x.bundle"), _bundle),
    Case("doctor --fix", ("doctor", "--fix"), _detached),
    Case("first command", ("list",), _fresh),
    Case("first command past a lock of git's", ("list",), _fresh_with_a_lock),
]


@pytest.mark.parametrize("case", some_of(CASES, 3), ids=lambda case: case.name)
def test_what_changes_is_changed_under_the_lock(clones: Clones, watch: Callable[[Clone], Watch], case: Case) -> None:
    a, b = clones
    x = a.create("x")
    sync(a)
    case.prepare(a, b)
    lost = a.json("attic", "list", x)[0]["timestamp"] if "LOST" in case.argv else ""
    others = [row["id"] for row in a.json("list", "--all") if row["id"] != x] if "Y" in case.argv else [""]
    words = {"X": x, "LOST": lost, "Y": others[0]}
    seen = watch(a)
    done = a.run(*(words.get(part, part) for part in case.argv), stdin=case.stdin)
    assert done.code == 0, done
    assert seen.changes and seen.bare == []


def _emitted(clone: Clone) -> None:
    assert clone.run("ev", "emit", "--type", "agent.session_started").code == 0


def _exported(a: Clone, b: Clone) -> None:
    _emitted(b)
    (a.path / "theirs.jsonl").write_text(b.run("ev", "export").out)


def _unshared(a: Clone, b: Clone) -> None:
    assert a.run("coord", "off").code == 0
    _emitted(a)


def _alone(a: Clone, b: Clone) -> None:
    _emitted(a)
    a.git("remote", "remove", "origin")


def _no_cache(a: Clone, b: Clone) -> None:
    _emitted(b)
    sync(b, a)
    shutil.rmtree(a.path / ".git/tbdx/cache")


def _bundled(a: Clone, b: Clone) -> None:
    sync(b)
    _emitted(b)
    assert b.run("bundle", "create", "../x.bundle").code == 0


OF_EVENTS = [
    Case("ev emit", ("ev", "emit", "--type", "agent.session_started")),
    Case("msg send", ("msg", "send", "--to", "all", "--body", "x")),
    Case("ev import", ("ev", "import", "theirs.jsonl"), _exported),
    Case("artifact add", ("artifact", "add", "a.txt"), lambda a, b: _large(a)),
    Case("ev compact", ("ev", "compact"), lambda a, b: _emitted(a)),
    Case("coord on", ("coord", "on"), _unshared),
    Case("sync", ("sync",), lambda a, b: _emitted(a)),
    Case("sync without a remote", ("sync",), _alone),
    Case("look at what came", ("ev", "tail"), _no_cache),
    Case("bundle create", ("bundle", "create", "../y.bundle"), lambda a, b: _emitted(a)),
    Case("bundle apply", ("bundle", "apply", "../x.bundle"), _bundled),
]


@pytest.mark.parametrize("case", OF_EVENTS, ids=lambda case: case.name)
def test_what_changes_of_events_is_changed_under_their_lock(
    clones: Clones, watch: Callable[[Clone], Watch], case: Case
) -> None:
    a, b = clones
    sync(a)
    case.prepare(a, b)
    seen = watch(a)
    done = a.run(*case.argv)
    assert done.code == 0, done
    assert seen.of_events and seen.bare == []


@pytest.mark.parametrize("given", ["a new entity", "one that is there", "an agent"])
def test_what_wk_puts_is_put_under_the_lock(repo: Clone, watch: Callable[[Clone], Watch], given: str) -> None:
    import json

    x = repo.create("x")
    entity: dict[str, object] = {"title": "y"}
    if given == "one that is there":
        entity = repo.json("show", x) | entity
    if given == "an agent":
        made = repo.json("agent", "register", "ann")
        entity = {name: made[name] for name in ("type", "id", "name")} | {"roles": ["tester"]}
    seen = watch(repo)
    done = repo.run("put", "-", stdin=json.dumps(entity), tool="wk")
    assert done.code == 0, done
    assert seen.changes and seen.bare == []


def test_what_an_editor_saved_is_stored_under_the_lock(repo: Clone, watch: Callable[[Clone], Watch]) -> None:
    x = repo.create("x")
    seen = watch(repo)

    def editor(path: str) -> int:
        Path(path).write_text(Path(path).read_text().replace("title: x", "title: y"))
        return 0

    edit.edit(repo.kernel, x, lambda _: None, editor)
    assert repo.json("show", x)["title"] == "y" and seen.changes and seen.bare == []


def test_what_a_rewound_remote_had_is_kept_under_the_lock(clones: Clones, watch: Callable[[Clone], Watch]) -> None:
    a, b = clones
    a.create("x")
    sync(a, b)
    b.create("y")
    sync(b)
    a.git("fetch", "-q", "origin", "+tbd-sync:refs/remotes/origin/tbd-sync")
    git(origin(a), "update-ref", "refs/heads/tbd-sync", "refs/heads/tbd-sync~1")
    seen = watch(a)
    sync(a)
    assert seen.changes and seen.bare == []
    settle(a, b)


def test_short_ids_that_others_gave_meanwhile_are_kept(repo: Clone) -> None:
    """A command looks at ids.yml before it waits for the lock, and again when it has it."""
    k = repo.kernel
    k.names.load()
    made = repo.create("meanwhile")
    with k.writing():
        k.give_short(k.new_id(), "mine")
    assert f"{made.partition('-')[2]}: " in (repo.data / "mappings/ids.yml").read_text()


def test_a_format_that_changed_while_a_command_waited_for_the_lock_stops_it(repo: Clone) -> None:
    k = repo.kernel
    k.open()
    layout = Path(settings.layout_path(k.repo))
    layout.write_text(layout.read_text().replace("f0", "f9"))
    with pytest.raises(TbdxError), k.writing():
        pass
