"""One seed, one run: clones, people and a remote, with faults, and then what must hold whatever happened.

Commands are real ones on real files; git is in memory (or real, `real=True`), time stands still but for what the run
adds, and each step draws from a chance of its own, so that a step that goes another way does not shift the others.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

from killing import stopping
from sim.memory_git import Memory, MemoryGit
from tbdx.core import attic, codec, names
from tbdx.core.merge import DATA, ISSUES, NAMES
from tbdx.errors import BadFile, TbdxError
from tbdx.errors import Git as GitError
from tbdx.kernel import Kernel, bulk, outbox, work
from tbdx.store import config, files
from tbdx.store import lock as locks
from tbdx.store.git import Git
from tbdx.store.layout import Repo

Event = tuple[str, str, str]  # an issue, a field, and a value (or a line, or a label) that somebody gave it
Said = frozenset[tuple[str, str]]

BRANCH, REF = "tbd-sync", "refs/heads/tbd-sync"
YEAR_MS = 365 * 86_400_000
MOST = 3_000  # changes that one command may try, and seconds that it may wait
RATES = (0.0, 0.05, 0.1)
OF_DISK = ("kill", "EIO", "ENOSPC")
OF_PUSH = ("reply lost", "pushed twice", "push lost", "push not shown", "refused")
OF_REMOTE = ("rewound", "deleted", "forced")
OF_BRANCH = ("branch moved", "branch deleted")
# read over and over, and always the same within a run
SAME = ((locks, "_boot_id"), (locks, "_namespace"), (locks, "_started"), (config, "parse"))
FAULTS = (*OF_DISK, *OF_PUSH, "heads failed", "fetch failed", *OF_REMOTE, *OF_BRANCH, "clock", "meanwhile", "hand meanwhile")
STEPS = {"create": 2, "update": 14, "close": 4, "by_hand": 5, "open_editor": 3, "save_editor": 4, "delete": 1}
STEPS |= {"sync": 18, "push": 2, "pull": 2, "tbd": 3, "carry": 2, "collect": 1}


class Violation(AssertionError):
    """What must never be."""


@dataclass
class Run:
    seed: int
    real: bool
    faults: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    violation: str = ""


def run(seed: int, *, real: bool = False, often: Mapping[str, float] | None = None) -> Run:
    """Play a seed; a violation is told in the answer. `often`: how probable some faults are, whatever the seed says."""
    folder = tempfile.mkdtemp(prefix="tbdx-sim-")
    world = World(seed, real, folder)
    world.rates |= often or {}
    try:
        world.play()
    except Violation as e:
        world.run.violation = str(e)
    finally:
        shutil.rmtree(folder)
    return world.run


@dataclass
class Clone:
    name: str
    root: str
    new_git: Callable[[Repo], Git]
    memory: Memory | None
    chance: random.Random
    now: Callable[[], int]
    skew: int = 0
    crowded: bool = False  # chance gives the same short ids over and over
    in_editor: dict[str, bytes] = field(default_factory=dict)
    late: dict[str, Said] = field(default_factory=dict)  # what a save from an old copy must not have taken back

    def kernel(self) -> Kernel:
        """As each command has one."""
        k = Kernel(self.root, {}, now_ms=lambda: self.now() + self.skew, entropy=self._entropy, say=lambda *_: None)
        k._git = self.new_git(k.repo)
        return k

    def _entropy(self, n: int) -> bytes:
        few = self.crowded and n == 16  # as many bytes as a short id is drawn from
        return self.chance.randrange(30).to_bytes(n, "big") if few else self.chance.randbytes(n)

    @property
    def worktree(self) -> str:
        return f"{self.root}/.git/tbd/data-sync-worktree"

    def issues(self) -> list[str]:
        try:
            return sorted(name[:-3] for name in os.listdir(f"{self.worktree}/{ISSUES}") if name.endswith(".md"))
        except FileNotFoundError:
            return []

    def path(self, internal: str) -> str:
        return f"{self.worktree}/{ISSUES}{internal}.md"

    def read(self, internal: str) -> bytes | None:
        try:
            return files.read(self.path(internal))
        except FileNotFoundError:
            return None

    def save(self, internal: str, data: bytes) -> None:
        """As editors do: another file takes the place of the old one."""
        with open(f"{self.root}/saved", "wb") as f:
            f.write(data)
        os.replace(f"{self.root}/saved", self.path(internal))


class World:
    def __init__(self, seed: int, real: bool, folder: str) -> None:
        self.run = Run(seed, real)
        self.folder = folder
        self.chance = rng = random.Random(seed)
        self.rates = {kind: rng.choice(RATES) for kind in FAULTS}
        self.calm = False
        self.within = False  # whether one command runs within another
        self.ms, self.waited, self.words = 1_750_000_000_000, 0.0, itertools.count()
        self.acked: dict[Event, Clone] = {}
        self.replaced: set[Event] = set()
        self.tips: list[str] = []
        self.late: list[Callable[[], object]] = []  # pushes that arrive once more
        self.address = f"{folder}/origin.git"
        dates = itertools.count(1).__next__
        self.memory = None if real else Memory(dates)
        os.mkdir(self.address)
        bare = Repo(self.address, self.address, self.address)
        env = {"PATH": os.environ["PATH"], "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
        if real:
            self._git("init", "-q", "--bare", self.address)
        self.server: Git = MemoryGit(bare, self.memory) if self.memory else Git(bare, env)
        self.env, settled = env, rng.random() < 0.5
        self.clones = [self._clone(f"{'abcd'[n]}", dates) for n in range(rng.choice((2, 2, 3, 4)))]
        # a look at a file is trusted at once, or never; at once only where no two files get one inode number
        self.look_ns = 1 << 62 if settled and folder.startswith("/dev/shm/") else 0

    def _git(self, *args: str) -> None:
        subprocess.run(["git", *args], check=True, env={"PATH": os.environ["PATH"], "HOME": self.folder})

    def _clone(self, name: str, dates: Callable[[], int]) -> Clone:
        root = f"{self.folder}/{name}"
        os.makedirs(f"{root}/.tbd")
        os.mkdir(f"{root}/.git")
        memory = None
        if self.memory:
            memory = Memory(dates, remotes={"origin": self.memory, self.address: self.memory})
        else:
            self._git("init", "-q", root)
            self._git("-C", root, "remote", "add", "origin", self.address)
        with open(f"{root}/.tbd/config.yml", "w") as f:
            f.write(config.new_config("sim", BRANCH, "origin", "2025-01-01T00:00:00.000Z"))

        def new_git(repo: Repo) -> Git:
            git = RealLine(repo, self.env) if memory is None else MemoryLine(repo, memory)
            git.world, git.clone = self, clone
            return git

        rng = self.chance
        clone = Clone(name, root, new_git, memory, random.Random(f"{self.run.seed} {name}"), self._now)
        clone.skew = rng.choice((0, 0, rng.randrange(-10 * YEAR_MS, 10 * YEAR_MS)))
        clone.crowded = rng.random() < 0.3
        return clone

    # time and chance

    def _now(self) -> int:
        self.ms += 1
        return self.ms

    def _sleep(self, seconds: float) -> None:
        self.waited += seconds
        if self.waited > MOST:
            raise Violation("a command waits for ever")

    @contextmanager
    def _time(self) -> Iterator[None]:
        still = SimpleNamespace(monotonic=lambda: self.waited, sleep=self._sleep, time=time.time)
        still.time_ns = lambda: self.look_ns
        with ExitStack() as stack:
            for module in ("kernel.sync", "kernel.heal", "store.lock", "store.cache"):
                stack.enter_context(mock.patch(f"tbdx.{module}.time", still))
            for of, name in SAME:
                stack.enter_context(mock.patch.object(of, name, cache(getattr(of, name))))
            yield

    def strikes(self, kind: str) -> bool:
        """Whether a fault of that kind happens now; it is counted."""
        if self.calm or self.within or self.chance.random() >= self.rates[kind]:
            return False
        self.note(kind)
        return True

    def note(self, kind: str) -> None:
        self.run.faults[kind] += 1
        self.tell(f"    ! {kind}")

    def tell(self, text: str) -> None:
        self.run.trace.append(text)

    def word(self) -> str:
        return f"w{next(self.words):05d}"

    # the run

    def play(self) -> None:
        with self._time():
            self.calm = True
            self._create(self.clones[0])
            for clone in self.clones[: self.chance.randrange(len(self.clones) + 1)]:
                self._sync(clone)
            self.calm = False
            for n in range(self.chance.randrange(10, 26)):
                self.chance = random.Random(f"{self.run.seed} {n}")
                self._step()
            for clone in self.clones:  # a last round that may be struck
                self._sync(clone)
            self.calm = True
            self._settle()
            self._check()

    def _step(self) -> None:
        rng = self.chance
        self.ms += rng.randrange(1, 100_000)
        clone = rng.choice(self.clones)
        for deliver in self.late:
            deliver()
        self.late.clear()
        if self.strikes("clock"):
            clone.skew += rng.choice((-1, 1)) * rng.choice((rng.randrange(5_000), rng.randrange(10 * YEAR_MS)))
        for kind in (*OF_REMOTE, *OF_BRANCH):
            if self.tips and self.strikes(kind):
                if kind in OF_REMOTE:
                    self._meddle(self.server, self.memory, kind)
                else:
                    self._meddle(clone.kernel().git, clone.memory, kind)
                    self._forget_late(clone)
        self._do(clone, rng.choices([*STEPS], [*STEPS.values()])[0])
        tip = self.server.branch_tip(BRANCH)
        if tip and tip not in self.tips:
            self.tips.append(tip)

    def _do(self, clone: Clone, what: str) -> None:
        self.tell(f"{clone.name} {what}")
        getattr(self, f"_{what}")(clone)

    def _meddle(self, git: Git, memory: Memory | None, kind: str) -> None:
        """Somebody moves the branch of the remote, or of a clone, where no sync would."""
        to = self.chance.choice(self.tips)
        if kind == "forced":
            tree = {path: f"{mode} {blob}" for path, (mode, blob) in git.tree(to).items()}
            to = git.commit_tree(None, tree, [], f"another beginning {self.word()}")
        if not kind.endswith("deleted"):
            if git.commit_of(to):
                git.move_refs({REF: (to, "")})
        elif memory is None:
            git.run("update-ref", "-d", REF)
        else:
            memory.refs.pop(REF, None)

    def meanwhile(self, clone: Clone) -> None:
        """The network is slow, and the lock is free: somebody else runs a command, here or elsewhere."""
        if self.strikes("meanwhile"):
            self.within = True
            self._do(self.chance.choice(self.clones), self.chance.choice(("sync", "sync", "update", "create", "by_hand")))
            self.within = False

    def command(self, clone: Clone, act: Callable[[Kernel], Any]) -> Any:
        """What a command gives, None when it failed or was killed."""
        how = next((kind for kind in OF_DISK if not (self.calm or self.within) and self.chance.random() < self.rates[kind]), "")
        after = self.chance.choice(("", "git.commit-tree", "git.fetch"))  # counted from there
        at = self.chance.randrange(1, 80) if after else int(80 ** self.chance.random())
        by_hand = int(12 ** self.chance.random())
        by_hand *= not (self.calm or self.within) and self.chance.random() < self.rates["hand meanwhile"]
        points = every = changes = 0

        def wants(name: str) -> str:
            nonlocal points, every, changes
            every += 1
            if every > MOST:
                raise Violation("a command goes on for ever")
            if name.startswith("git."):
                changes += 1
                if changes == by_hand:  # a person saves a file, lock or not
                    self.note("hand meanwhile")
                    self._by_hand(clone)
            points += points > 0 or after in ("", name)
            if not how or points < at or (how != "ENOSPC" and points > at) or (how == "ENOSPC" and "release" in name):
                return ""
            if points == at:
                self.note(how)
            return how

        out, self.waited = None, 0.0
        with stopping(wants):
            try:
                out = act(clone.kernel())
            except (TbdxError, OSError) as e:
                self.tell(f"    {clone.name}: {type(e).__name__}: {e}")
                if self.calm:
                    raise Violation(f"without any fault: {e}")
            except Exception as e:
                if isinstance(e, Violation):
                    raise
                raise Violation(f"a command fell over: {traceback.format_exc(limit=-3)}") from e
        return out

    # what people and programs do

    def _changed(self, clone: Clone, internal: str, before: Said, *, acked: bool) -> None:
        """An issue's file is another one: what its author saw and replaced, and what they were told is kept."""
        after = said(clone.read(internal))
        before |= clone.late.pop(internal, frozenset())  # a sync that comes first brings it back; what else comes takes it
        self.replaced |= {(internal, *what) for what in before - after}
        if acked:
            for what in after - before:
                self.acked.setdefault((internal, *what), clone)
        self.tell(f"    {clone.name} {internal[-4:]}: -{sorted(before - after)} +{sorted(after - before)}")

    def _create(self, clone: Clone) -> None:
        options = {"description": f"{self.word()}\n{self.word()}", "label": (self.word(),)}
        made = self.command(clone, lambda k: work.create(k, self.word(), options))
        if made:
            self._changed(clone, made["internalId"], frozenset(), acked=True)

    def _pick(self, clone: Clone) -> str | None:
        found = clone.issues()
        return self.chance.choice(found[: self.chance.choice((1, 2, 9))]) if found else None

    def _update(self, clone: Clone) -> None:
        internal, rng = self._pick(clone), self.chance
        if internal is None:
            return self._create(clone)
        before = said(clone.read(internal))
        issue = parsed(clone.read(internal) or b"")
        every = {
            "title": self.word(),
            "priority": str(rng.randrange(5)),
            "assignee": self.word(),
            "status": rng.choice(("in_progress", "blocked")),
            "notes": self._text(issue.get("notes", "")),
            "description": self._text(issue.get("description", "")),
            "add_label": (self.word(),),
            "remove_label": (rng.choice(issue["labels"]) if issue["labels"] else "x",),
        }
        chosen = {name: every[name] for name in rng.sample([*every], rng.randrange(1, 4))}
        done = self.command(clone, lambda k: work.update(k, [internal], chosen))
        self._changed(clone, internal, before, acked=bool(done))

    def _text(self, text: str) -> str:
        """The text with a line more, another, or less."""
        lines, at = text.split("\n") if text else [], self.chance.randrange(len(text.split("\n")) + 1)
        lines[at : at + self.chance.randrange(2)] = [self.word()] if self.chance.random() < 0.8 else []
        return "\n".join(lines)

    def _close(self, clone: Clone) -> None:
        internal = self._pick(clone)
        if internal is None:
            return
        before = said(clone.read(internal))
        if ("status", "closed") in before:
            done = self.command(clone, lambda k: bulk.reopen(k, [internal]))
        else:
            done = self.command(clone, lambda k: bulk.close(k, [internal], reason=self.word()))
        self._changed(clone, internal, before, acked=bool(done))

    def _edited(self, data: bytes) -> dict[str, Any]:
        issue = parsed(data)
        field = self.chance.choice(("title", "assignee", "description", "notes"))
        text = self.word() if field in ("title", "assignee") else self._text(issue.get(field, ""))
        return issue | {field: text}

    def _by_hand(self, clone: Clone) -> None:
        internal = self._pick(clone)
        if internal is not None:
            self._save(clone, internal, clone.read(internal) or b"")

    def _save(self, clone: Clone, internal: str, opened: bytes, more: Said = frozenset()) -> None:
        """A person saves what they made of the text that they opened. They replace what they saw, and `more`."""
        clone.save(internal, codec.rewrite(codec.decode(opened), self._edited(opened)).encode())
        self._changed(clone, internal, said(opened) | more, acked=True)

    def _open_editor(self, clone: Clone) -> None:
        for internal in clone.issues():
            clone.in_editor[internal] = clone.read(internal) or b""

    def _save_editor(self, clone: Clone) -> None:
        """Saved from an old copy: what only the file had is overwritten, what the branch has too is not."""
        internal = self._pick(clone)
        opened = clone.in_editor.pop(internal or "", b"")
        if internal is None or not opened:
            return
        git, now = clone.kernel().git, clone.read(internal) or b""
        tip, path = git.branch_tip(BRANCH), f"{ISSUES}{internal}.md"
        there = git.content(tip, [path]).get(path) if tip else None
        # a copy of the version that the branch has cannot be told from a copy that was opened just now
        is_older = there is not None and parsed(opened)["version"] < parsed(there)["version"]
        self._save(clone, internal, opened, said(now) - said(there) if is_older else said(now))
        clone.late[internal] = said(there) if is_older else frozenset()

    def _delete(self, clone: Clone) -> None:
        internal = self._pick(clone)
        if internal is not None:
            before = said(clone.read(internal))
            os.unlink(clone.path(internal))
            self._changed(clone, internal, before, acked=False)

    def _tbd(self, clone: Clone) -> None:
        """A real tbd, or a person with git: an edit, and often a commit of all there is; our own refs stay behind."""
        internal, k = self._pick(clone), clone.kernel()
        if internal is None or os.path.lexists(k.repo.lock):
            return
        data = clone.read(internal) or b""
        issue = self._edited(data) | {"version": parsed(data)["version"] + 1, "updated_at": k.now()}
        clone.save(internal, codec.render(issue).encode())
        self._changed(clone, internal, said(data), acked=True)
        tip = k.git.branch_tip(BRANCH)
        is_there = tip and k.git.worktree_git_dir() and k.git.worktree_tree() == k.git.tree_of(tip)
        if tip and is_there and self.chance.random() < 0.7:
            there = k.git.tree(tip)
            here = [f"{DATA}{rel}" for rel, _ in files.walk(k.repo.data)]
            stored = dict(zip(here, k.git.hash_files([f"{clone.worktree}/{path}" for path in here]), strict=True))
            new = k.git.commit_tree(tip, dict.fromkeys(there) | stored, [tip], "tbd sync: by a real tbd")
            k.git.set_worktree_index(new)
            k.git.move_refs({REF: (new, tip)})
            self._forget_late(clone)

    def _forget_late(self, clone: Clone) -> None:
        for internal in [*clone.late]:
            self._changed(clone, internal, frozenset(), acked=False)

    def _collect(self, clone: Clone) -> None:
        if clone.memory is not None:
            clone.memory.collect()
        else:
            self._git("-C", clone.root, "gc", "-q", "--prune=now")

    def _carry(self, clone: Clone) -> None:
        """The outbox goes out on a branch of its owner's, as any other file of theirs."""
        root, branch, git = f"{clone.root}/{outbox.PLACE[:-1]}", f"work-{clone.name}", clone.kernel().git
        held = [rel for rel, _ in files.walk(root)]
        if held:
            blobs = dict(zip((f"{outbox.PLACE}{rel}" for rel in held), git.hash_files([f"{root}/{rel}" for rel in held]), strict=True))
            before = self.server.branch_tip(branch)
            commit = git.commit_tree(None, blobs, [before] if before and git.commit_of(before) else [], "work")
            super(type(git).__mro__[1], git).push(self.address, branch, commit)

    def _push(self, clone: Clone) -> None:
        self._sync(clone, pull=False)

    def _pull(self, clone: Clone) -> None:
        self._sync(clone, push=False)

    def _sync(self, clone: Clone, *, push: bool = True, pull: bool = True) -> None:
        mine = [event for event, by in self.acked.items() if by is clone]
        done = self.command(
            clone, lambda k: outbox.sync_all(k, push=push, pull=pull, auto_save=True, take_in=push and pull)
        )
        if done:
            clone.late.clear()
        if done and push and not done[0].withheld:
            tip = self.server.branch_tip(BRANCH)
            self._must_hold(self.server.content(tip) if tip else {}, mine, f"{clone.name} synced")

    # what must hold

    def _settle(self) -> None:
        self.tell("settling")
        quiet, tips = 0, self._tips()
        for _ in range(8):
            for clone in self.clones:
                self._sync(clone)
            quiet, tips = (quiet + 1, tips) if tips == self._tips() else (0, self._tips())
            if quiet == 2:
                break
        else:
            raise Violation(f"eight rounds of syncs, and still commits are made: {tips}")
        if len({*tips}) != 1:
            raise Violation(f"the clones do not come together: {tips}")

    def _tips(self) -> list[str | None]:
        return [clone.kernel().git.branch_tip(BRANCH) for clone in self.clones] + [self.server.branch_tip(BRANCH)]

    def _check(self) -> None:
        tip = self.server.branch_tip(BRANCH)
        content = self.server.content(tip) if tip else {}
        for clone in self.clones:
            data = f"{clone.worktree}/{DATA}"
            here = {f"{DATA}{rel}": files.read(f"{data}{rel}", 1 << 30) for rel, _ in files.walk(data)}
            if here != content:
                raise Violation(f"{clone.name} has other files: {sorted(p for p in {*here, *content} if here.get(p) != content.get(p))}")
            if os.path.lexists(f"{clone.root}/.git/tbd/locks/data-sync.lock"):
                raise Violation(f"{clone.name}: the lock is held")
        issues = [path[len(ISSUES) : -3] for path in content if path.startswith(ISSUES) and path.endswith(".md")]
        for internal in issues:
            try:
                codec.parse(codec.decode(content[f"{ISSUES}{internal}.md"]), internal)
            except BadFile as e:
                raise Violation(f"{internal} cannot be read: {e.message}")
        rows, complaints = names.parse(content.get(NAMES, b"").decode())
        shorts = [short for short, _ in rows]
        if complaints or len({*shorts}) != len(shorts) or {f"is-{of}" for _, of in rows} < {*issues}:
            raise Violation(f"ids.yml is not in order: {complaints} {rows}")
        self._must_hold(content, [*self.acked], "in the end")

    def _must_hold(self, content: Mapping[str, bytes], events: list[Event], when: str) -> None:
        kept = lost_values(content)
        for event in events:
            internal, field, value = event
            if event in self.replaced or (field, value) in said(content.get(f"{ISSUES}{internal}.md")):
                continue
            if not any(holds(of, lost, field, value) for of, lost in kept[internal]):
                raise Violation(f"{when}: {event} is lost, acknowledged in {self.acked[event].name}")


@cache
def parsed(data: bytes) -> dict[str, Any]:
    return codec.parse(codec.decode(data))


@cache
def said(data: bytes | None) -> Said:
    """The (field, value) pairs of an issue's file that are followed; texts are taken line by line."""
    if data is None:
        return frozenset()
    issue = parsed(data)
    plain = {(name, str(issue[name])) for name in ("title", "priority", "status", "assignee", "close_reason") if issue.get(name)}
    lines = {(name, line) for name in ("description", "notes") for line in issue.get(name, "").split("\n") if line}
    return frozenset(plain | lines | {("labels", label) for label in issue["labels"]})


def lost_values(content: Mapping[str, bytes]) -> dict[str, list[tuple[str, Any]]]:
    """issue -> [(field, what the attic has of it)]."""
    out = defaultdict(list)
    for path, data in content.items():
        if path.startswith(f"{attic.FOLDER}conflicts/"):
            out[path.partition("issues__")[2][:29]].append(("whole_issue", data.decode()))
        elif path.startswith(attic.FOLDER):
            of, lost = entry(data)
            out[path[len(attic.FOLDER) :][:29]].append((of, lost))
    return out


@cache
def entry(data: bytes) -> tuple[str, Any]:
    from tbdx.kernel.attic import parse

    found = parse(data)
    return found["field"], json.loads(found["lost_value"])


def holds(of: str, lost: Any, field: str, value: str) -> bool:
    if of == "whole_issue":
        return value in lost if value[0] == "w" else f"\n{field}: {value}\n" in lost
    return of == field and value in (lost if isinstance(lost, list) else str(lost).split("\n"))


class _Line(Git):
    """Git whose line to the remote is bad."""

    world: World
    clone: Clone

    def heads(self, remote: str, *branches: str) -> dict[str, str]:
        self.world.meanwhile(self.clone)
        self._may_fail("heads failed")
        return super().heads(remote, *branches)

    def fetch(self, remote: str, branch: str, there: str) -> str:
        self.world.meanwhile(self.clone)
        self._may_fail("fetch failed")
        return super().fetch(remote, branch, there)

    def push(self, remote: str, branch: str, commit: str) -> tuple[bool, str]:
        self.world.meanwhile(self.clone)
        fate = next((kind for kind in OF_PUSH if self.world.strikes(kind)), "")
        if fate == "push lost":
            raise _broken(fate)
        if fate in ("refused", "push not shown"):
            return fate != "refused", "no entry"
        if fate == "reply lost":
            super().push(self.world.address, branch, commit)  # by its address: no ref here tells of it
            raise _broken(fate)
        if fate == "pushed twice":
            self.world.late.append(lambda: self._again(branch, commit))
        return super().push(remote, branch, commit)

    def _again(self, branch: str, commit: str) -> None:
        if self.commit_of(commit):
            super().push(self.world.address, branch, commit)

    def _may_fail(self, kind: str) -> None:
        if self.world.strikes(kind):
            raise _broken(kind)


class RealLine(_Line): ...


class MemoryLine(_Line, MemoryGit): ...


def _broken(what: str) -> GitError:
    return GitError(f"remote origin cannot be reached: {what}", reason="unreachable")
