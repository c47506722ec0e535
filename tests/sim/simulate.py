"""One seed, one run: clones, people and a remote under faults, and then what must hold whatever happened.

The commands are the real ones, on real files; git is in memory, or real; time passes only as the run lets it. Each step
draws from a chance of its own, so that one that goes another way does not shift those after it.
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
from functools import cache, lru_cache, partial, partialmethod
from pathlib import Path
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
from tbdx.kernel.attic import parse as parse_entry
from tbdx.store import config, files
from tbdx.store import lock as locks
from tbdx.store.git import Git
from tbdx.store.layout import Repo

Event = tuple[str, str, str]  # an issue, a field, and the value (or line, or label) that somebody gave it
Said = frozenset[tuple[str, str]]  # the fields and values of one issue

BRANCH, REF = "tbd-sync", "refs/heads/tbd-sync"
YEAR_MS = 365 * 86_400_000
MOST = 3_000  # changes that one command may make, and seconds that it may wait
OF_DISK = ("kill", "EIO", "ENOSPC")
OF_PUSH = ("push lost", "reply lost", "pushed twice", "push not shown", "refused")
OF_REMOTE = ("rewound", "deleted", "forced")
OF_BRANCH = ("branch moved", "branch deleted")
OTHERS = ("heads failed", "fetch failed", "meanwhile", "hand meanwhile", "clock")
FAULTS = (*OF_DISK, *OF_PUSH, *OF_REMOTE, *OF_BRANCH, *OTHERS)
STEPS = {"create": 2, "update": 14, "close": 4, "by_hand": 5, "open_editor": 3, "save_editor": 4, "delete": 1}
STEPS |= {"sync": 18, "push": 2, "pull": 2, "tbd": 3, "carry": 2, "collect": 1}
# asked over and over, and always answered alike within one run
SAME = ((locks, "_boot_id"), (locks, "_namespace"), (locks, "_started"), (config, "parse"))


def stored_below(git: Git, root: str) -> dict[str, str]:
    """The files of a folder, stored: path in it -> blob."""
    held = [rel for rel, _ in files.walk(root)]
    return dict(zip(held, git.hash_all([Path(root, rel).read_bytes() for rel in held]), strict=True))


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
    git: Callable[[Repo], Git]
    memory: Memory | None
    chance: random.Random
    now: Callable[[], int]
    skew: int
    crowded: bool  # chance gives the same short ids over and over
    in_editor: dict[str, bytes] = field(default_factory=dict)
    late: dict[str, Said] = field(default_factory=dict)  # what a save from an old copy must not have taken back

    def kernel(self) -> Kernel:
        """As each command has one."""
        k = Kernel(self.root, {}, now_ms=lambda: self.now() + self.skew, entropy=self._entropy, say=lambda *_: None)
        k._git = self.git(k.repo)
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

    def read(self, internal: str) -> bytes:
        try:
            return files.read(self.path(internal))
        except FileNotFoundError:
            return b""

    def save(self, internal: str, data: bytes) -> None:
        """As editors do: another file takes the place of the old one."""
        with open(f"{self.root}/saved", "wb") as f:
            f.write(data)
        os.replace(f"{self.root}/saved", self.path(internal))


class Luck:
    """What befalls one command: a kill or a failing disk at some point, a file that a person saves meanwhile."""

    def __init__(self, world: World, clone: Clone) -> None:
        rng = world.chance
        self.world, self.clone = world, clone
        self.how = next((kind for kind in OF_DISK if world.may_strike(kind)), "")
        self.start = rng.choice(("", "git.commit-tree", "git.fetch"))  # points are counted from there
        self.at = rng.randrange(1, 80) if self.start else int(80 ** rng.random())
        self.by_hand = int(12 ** rng.random()) * world.may_strike("hand meanwhile")
        self.points = self.counted = self.changes = 0
        self.is_full = False

    def __call__(self, name: str) -> str:
        self.points += 1
        if self.points > MOST:
            raise Violation("a command goes on for ever")
        if name.startswith("git."):
            self.changes += 1
            if self.changes == self.by_hand:  # whoever has the lock
                self.world.note("hand meanwhile")
                self.world._by_hand(self.clone)
        self.counted += self.counted > 0 or self.start in ("", name)
        if not self.how or self.counted < self.at or (self.how == "ENOSPC" and "release" in name):
            return ""
        how = self.how
        if how != "ENOSPC":
            self.how = ""
        elif self.is_full:
            return how  # a disk stays full
        self.is_full = how == "ENOSPC"
        self.world.note(how)
        return how


class World:
    def __init__(self, seed: int, real: bool, folder: str) -> None:
        self.run = Run(seed, real)
        self.folder, self.chance = folder, random.Random(seed)
        self.rates = {kind: self.chance.choice((0, 0.05, 0.1)) for kind in FAULTS}
        self.calm = True  # no faults
        self.within = False  # one command runs within another
        self.ms, self.waited, self.words, dates = 1_750_000_000_000, 0.0, itertools.count(), itertools.count(1)
        self.acked: dict[Event, Clone] = {}
        self.replaced: set[Event] = set()  # by somebody who had seen it
        self.shorts: dict[str, set[str]] = defaultdict(set)  # short id -> the ULIDs that it was told for
        self.tips: list[str] = []  # all that the remote has shown
        self.arriving: list[Callable[[], object]] = []  # pushes that come a second time
        self.env = {"PATH": os.environ["PATH"], "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
        self.address = f"{folder}/origin.git"
        os.mkdir(self.address)
        bare = Repo(self.address, self.address, self.address)
        self.memory = None if real else Memory(dates.__next__)
        if real:
            self._git("init", "-q", "--bare", self.address)
        self.server = MemoryGit(bare, self.memory) if self.memory else Git(bare, self.env)
        self.clones = [self._clone(name, dates.__next__) for name in "abcd"[: self.chance.choice((2, 2, 3, 4))]]
        # a look at a file is trusted at once, or never; at once only where no two files get one inode number
        trusted = self.chance.random() < 0.5 and folder.startswith("/dev/shm/")
        self.look_ns = 1 << 62 if trusted else 0

    def _git(self, *args: str) -> None:
        subprocess.run(["git", *args], check=True, env=self.env)

    def _clone(self, name: str, dates: Callable[[], int]) -> Clone:
        root, memory, rng = f"{self.folder}/{name}", None, self.chance
        os.makedirs(f"{root}/.tbd")
        if self.memory:
            os.mkdir(f"{root}/.git")
            memory = Memory(dates, remotes={"origin": self.memory, self.address: self.memory})
        else:
            self._git("init", "-q", root)
            self._git("-C", root, "remote", "add", "origin", self.address)
        with open(f"{root}/.tbd/config.yml", "w") as f:
            f.write(config.new_config("sim", BRANCH, "origin", "2025-01-01T00:00:00.000Z"))

        def git(repo: Repo) -> Git:
            made = MemoryLine(repo, memory) if memory else RealLine(repo, self.env)
            made.world, made.clone = self, clone
            return made

        skew = rng.choice((0, 0, rng.randrange(-10 * YEAR_MS, 10 * YEAR_MS)))
        chance = random.Random(f"{self.run.seed} {name}")
        clone = Clone(name, root, git, memory, chance, self._now, skew, rng.random() < 0.3)
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
            for module in ("kernel.sync", "kernel.worktree", "store.lock", "store.cache"):
                stack.enter_context(mock.patch(f"tbdx.{module}.time", still))
            for of, name in SAME:
                stack.enter_context(mock.patch.object(of, name, cache(getattr(of, name))))
            yield

    def may_strike(self, kind: str) -> bool:
        return not (self.calm or self.within) and self.chance.random() < self.rates[kind]

    def strikes(self, kind: str) -> bool:
        """Whether a fault of that kind happens now; it is counted."""
        if self.may_strike(kind):
            self.note(kind)
            return True
        return False

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
        while self.arriving:
            self.arriving.pop()()
        if self.strikes("clock"):
            clone.skew += rng.choice((-1, 1)) * rng.choice((rng.randrange(5_000), rng.randrange(10 * YEAR_MS)))
        for kind in OF_REMOTE:
            if self.tips and self.strikes(kind):
                self._meddle(self.server, self.memory, kind)
        for kind in OF_BRANCH:
            if self.tips and self.strikes(kind):
                self._meddle(clone.kernel().git, clone.memory, kind)
                self._give_up(clone)
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
        elif memory:
            memory.refs.pop(REF, None)
        else:
            git.run("update-ref", "-d", REF)

    def meanwhile(self) -> None:
        """The network is slow, and the lock is free: somebody runs another command, here or elsewhere."""
        if self.strikes("meanwhile"):
            self.within = True
            what = self.chance.choice(("sync", "sync", "update", "create", "by_hand"))
            self._do(self.chance.choice(self.clones), what)
            self.within = False

    def command(self, clone: Clone, act: Callable[[Kernel], Any], *, may_refuse: bool = False) -> Any:
        """What a command gives, None when it failed or was killed. It must not fail without a fault."""
        out, self.waited, before = None, 0.0, self.run.faults.total()
        with stopping(Luck(self, clone)):
            try:
                out = act(clone.kernel())
            except (TbdxError, OSError) as e:
                self.tell(f"    {clone.name}: {type(e).__name__}: {e}".replace(self.folder, ""))
                if before == self.run.faults.total() and not may_refuse:
                    raise Violation(f"without any fault: {e}")
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as e:
                raise Violation(f"a command fell over: {traceback.format_exc(limit=-3)}") from e
        return out

    # what people and programs do

    def _changed(self, clone: Clone, internal: str, before: Said, *, acked: bool) -> None:
        """An issue's file is another one. `before` is what its author saw: what is not there any more they replaced."""
        after = said(clone.read(internal))
        before |= clone.late.pop(internal, frozenset())
        self.replaced |= {(internal, *what) for what in before - after}
        for what in after - before if acked else ():
            self.acked.setdefault((internal, *what), clone)
        self.tell(f"    {clone.name} {internal[-4:]}: -{sorted(before - after)} +{sorted(after - before)}")

    def _pick(self, clone: Clone) -> str:
        """An issue, one of the first more often than others; '' where there is none."""
        found = clone.issues()
        return self.chance.choice(found[: self.chance.choice((1, 2, 9))]) if found else ""

    def _create(self, clone: Clone) -> None:
        options = {"description": f"{self.word()}\n{self.word()}", "label": (self.word(),)}
        made = self.command(clone, lambda k: work.create(k, self.word(), options))
        if made:
            self._changed(clone, made["internalId"], frozenset(), acked=True)
            self.shorts[made["id"].rpartition("-")[2]].add(made["internalId"][3:])

    def _update(self, clone: Clone) -> None:
        internal, rng = self._pick(clone), self.chance
        if not internal:
            return self._create(clone)
        issue = parsed(clone.read(internal))
        every = {
            "title": self.word(),
            "priority": str(rng.randrange(5)),
            "assignee": self.word(),
            "status": rng.choice(("in_progress", "blocked")),
            "notes": self._text(issue.get("notes", "")),
            "description": self._text(issue.get("description", "")),
            "add_label": (self.word(),),
            "remove_label": (rng.choice(issue["labels"] or ["none"]),),
        }
        chosen = {name: every[name] for name in rng.sample([*every], rng.randrange(1, 4))}
        self._ordered(clone, internal, lambda k: work.update(k, [internal], chosen))

    def _close(self, clone: Clone) -> None:
        internal = self._pick(clone)
        if ("status", "closed") in said(clone.read(internal)):
            self._ordered(clone, internal, lambda k: bulk.reopen(k, [internal]))
        elif internal:
            self._ordered(clone, internal, lambda k: bulk.close(k, [internal], reason=self.word()))

    def _ordered(self, clone: Clone, internal: str, act: Callable[[Kernel], Any]) -> None:
        before = said(clone.read(internal))
        done = self.command(clone, act)
        self._changed(clone, internal, before, acked=bool(done))

    def _text(self, text: str) -> str:
        """The text with a line more, another, or less."""
        lines, at = text.split("\n") if text else [], self.chance.randrange(len(text.split("\n")) + 1)
        lines[at : at + self.chance.randrange(2)] = [self.word()] if self.chance.random() < 0.8 else []
        return "\n".join(lines)

    def _edited(self, data: bytes) -> dict[str, Any]:
        issue, name = parsed(data), self.chance.choice(("title", "assignee", "description", "notes"))
        return issue | {name: self.word() if name in ("title", "assignee") else self._text(issue.get(name, ""))}

    def _by_hand(self, clone: Clone) -> None:
        internal = self._pick(clone)
        if internal:
            data = clone.read(internal)
            clone.save(internal, codec.rewrite(codec.decode(data), self._edited(data)).encode())
            self._changed(clone, internal, said(data), acked=True)

    def _open_editor(self, clone: Clone) -> None:
        clone.in_editor |= {internal: clone.read(internal) for internal in clone.issues()}

    def _save_editor(self, clone: Clone) -> None:
        """Saved from an old copy: what the file alone had is overwritten; what the branch has must not be lost.

        Two limits: a copy of the version that the branch has cannot be told from one that was opened just now, and
        whatever changes the file again before a sync looks at it speaks for what it saw there.
        """
        internal = self._pick(clone)
        opened, now = clone.in_editor.pop(internal, b""), clone.read(internal)
        if not opened:
            return
        git, path = clone.kernel().git, f"{ISSUES}{internal}.md"
        tip = git.branch_tip(BRANCH)
        there = git.content(tip, [path]).get(path, b"") if tip else b""
        is_older = there and parsed(opened)["version"] < parsed(there)["version"]
        clone.save(internal, codec.rewrite(codec.decode(opened), self._edited(opened)).encode())
        self._changed(clone, internal, said(opened) | (said(now) - said(there) if is_older else said(now)), acked=True)
        clone.late[internal] = said(there) if is_older else frozenset()

    def _give_up(self, clone: Clone) -> None:
        """Somebody moved or committed under an old save: nothing tells it from an edit any more."""
        for internal in [*clone.late]:
            self._changed(clone, internal, frozenset(), acked=False)

    def _delete(self, clone: Clone) -> None:
        internal = self._pick(clone)
        if internal:
            before = said(clone.read(internal))
            os.unlink(clone.path(internal))
            self._changed(clone, internal, before, acked=False)

    def _tbd(self, clone: Clone) -> None:
        """A real tbd, or a person with git: an edit, and often a commit of all there is; our own refs stay behind."""
        internal, k = self._pick(clone), clone.kernel()
        if not internal or os.path.lexists(k.repo.lock):
            return
        data = clone.read(internal)
        edited = self._edited(data) | {"version": parsed(data)["version"] + 1, "updated_at": k.now()}
        clone.save(internal, codec.render(edited).encode())
        self._changed(clone, internal, said(data), acked=True)
        tip = k.git.branch_tip(BRANCH)
        on_tip = tip and k.git.worktree_git_dir() and k.git.worktree_tree() == k.git.tree_of(tip)
        if tip and on_tip and self.chance.random() < 0.7:
            here = [f"{DATA}{rel}" for rel, _ in files.walk(k.repo.data)]
            stored = dict(
                zip(here, k.git.hash_all([files.read(f"{clone.worktree}/{path}", MOST) for path in here]), strict=True)
            )
            new = k.git.commit_tree(tip, dict.fromkeys(k.git.tree(tip)) | stored, [tip], "tbd sync: by a real tbd")
            k.git.set_worktree_index(new)
            k.git.move_refs({REF: (new, tip)})
            self._give_up(clone)

    def _collect(self, clone: Clone) -> None:
        if clone.memory:
            clone.memory.collect()
        else:
            self._git("-C", clone.root, "gc", "-q", "--prune=now")

    def _carry(self, clone: Clone) -> None:
        """The outbox goes out on a branch of its owner's, as any other file of theirs."""
        root, branch, git = f"{clone.root}/{outbox.PLACE[:-1]}", f"work-{clone.name}", clone.kernel().git
        tree = {f"{outbox.PLACE}{rel}": blob for rel, blob in stored_below(git, root).items()}
        if tree:
            before = self.server.branch_tip(branch)
            parents = [before] if before and git.commit_of(before) else []
            git.arrive(branch, git.commit_tree(None, tree, parents, "work"))

    def _sync(self, clone: Clone, *, push: bool = True, pull: bool = True) -> None:
        mine, both = [event for event, by in self.acked.items() if by is clone], push and pull
        ask = partial(outbox.sync_all, push=push, pull=pull, auto_save=True, take_in=both)
        done = self.command(clone, ask, may_refuse=not both)
        if done:
            clone.late.clear()
        if done and push and not done[0].withheld:
            tip = self.server.branch_tip(BRANCH)
            self._must_hold(self.server.content(tip) if tip else {}, mine, f"{clone.name} synced")

    _push = partialmethod(_sync, pull=False)
    _pull = partialmethod(_sync, push=False)

    # what must hold

    def _settle(self) -> None:
        """Without faults, a few rounds of syncs bring all together, and two more change nothing."""
        self.tell("settling")
        quiet, tips = 0, self._tips()
        for _ in range(8):
            for clone in self.clones:
                self._sync(clone)
            quiet, tips = (quiet + 1, tips) if tips == self._tips() else (0, self._tips())
            if quiet == 2:
                break
        if quiet < 2 or len({*tips}) > 1:
            raise Violation(f"after eight rounds of syncs the clones are not together, or not at rest: {tips}")

    def _tips(self) -> list[str | None]:
        return [clone.kernel().git.branch_tip(BRANCH) for clone in self.clones] + [self.server.branch_tip(BRANCH)]

    def _check(self) -> None:
        content = self.server.content(self._tips()[-1] or "")
        for clone in self.clones:
            data = f"{clone.worktree}/{DATA}"
            here = {f"{DATA}{rel}": files.read(f"{data}{rel}", 1 << 30) for rel, _ in files.walk(data)}
            if here != content:
                odd = sorted(path for path in {*here, *content} if here.get(path) != content.get(path))
                raise Violation(f"{clone.name} has other files: {odd}")
            if os.path.lexists(f"{clone.root}/.git/tbd/locks/data-sync.lock"):
                raise Violation(f"{clone.name}: the lock is held")
        issues = {path[len(ISSUES) : -3] for path in content if path.startswith(ISSUES) and path.endswith(".md")}
        for internal in issues:
            try:
                codec.parse(codec.decode(content[f"{ISSUES}{internal}.md"]), internal)
            except BadFile as e:
                raise Violation(f"{internal} cannot be read: {e.message}")
        rows, complaints = names.parse(content[NAMES].decode())
        named = dict(rows)
        if complaints or len(named) < len(rows) or not {internal[3:] for internal in issues} <= {*named.values()}:
            raise Violation(f"ids.yml is not in order: {complaints} {rows}")
        for short, given in self.shorts.items():
            if len(given) == 1 and named.get(short) not in given:
                raise Violation(f"short id {short} was told, and is not there: {rows}")
        self._must_hold(content, [*self.acked], "in the end")

    def _must_hold(self, content: Mapping[str, bytes], events: list[Event], when: str) -> None:
        """Every acknowledged value stands, or is in the attic, or was replaced by somebody who had seen it."""
        kept = lost_values(content)
        for event in events:
            internal, name, value = event
            if event in self.replaced or (name, value) in said(content.get(f"{ISSUES}{internal}.md", b"")):
                continue
            if not any(holds(of, lost, name, value) for of, lost in kept[internal]):
                raise Violation(f"{when}: {event} is lost, acknowledged in {self.acked[event].name}")


@lru_cache(5_000)
def parsed(data: bytes) -> dict[str, Any]:
    return codec.parse(codec.decode(data))


@lru_cache(5_000)
def said(data: bytes) -> Said:
    """What of an issue's file is followed; texts line by line. All but priorities and states are given once only."""
    if not data:
        return frozenset()
    issue = parsed(data)
    plain = ("title", "priority", "status", "assignee", "close_reason")
    lines = {(name, line) for name in ("description", "notes") for line in issue.get(name, "").split("\n") if line}
    labels = {("labels", label) for label in issue["labels"]}
    return frozenset({(name, str(issue[name])) for name in plain if issue.get(name) is not None} | lines | labels)


def lost_values(content: Mapping[str, bytes]) -> dict[str, list[tuple[str, Any]]]:
    """issue -> [(field, a value of it in the attic)]."""
    out = defaultdict(list)
    for path, data in content.items():
        if path.startswith(f"{attic.FOLDER}conflicts/issues__"):
            out[path.partition("issues__")[2][:29]].append(("whole_issue", data.decode()))
        elif path.startswith(attic.FOLDER):
            out[path[len(attic.FOLDER) :][:29]].append(lost_value(data))
    return out


@lru_cache(5_000)
def lost_value(data: bytes) -> tuple[str, Any]:
    entry = parse_entry(data)
    return entry["field"], json.loads(entry["lost_value"])


def holds(of: str, lost: Any, name: str, value: str) -> bool:
    if of == "whole_issue":
        return value in lost if value[0] == "w" else f"\n{name}: {value}\n" in lost
    return of == name and value in (lost if isinstance(lost, list) else str(lost).split("\n"))


class _Line(Git):
    """Git with a bad line to the remote."""

    world: World
    clone: Clone

    def heads(self, remote: str, *branches: str) -> dict[str, str]:
        self._may_fail("heads failed")
        return super().heads(remote, *branches)

    def fetch(self, remote: str, branch: str, there: str) -> str:
        self._may_fail("fetch failed")
        return super().fetch(remote, branch, there)

    def push(self, remote: str, branch: str, commit: str) -> tuple[bool, str]:
        self._may_fail("push lost")
        if self.world.strikes("refused"):
            return False, "no entry"
        if self.world.strikes("push not shown"):
            return True, ""
        if self.world.strikes("reply lost"):
            self.arrive(branch, commit)
            raise _broken("reply lost")
        if self.world.strikes("pushed twice"):
            self.world.arriving.append(partial(self.arrive, branch, commit))
        return super().push(remote, branch, commit)

    def arrive(self, branch: str, commit: str) -> None:
        """A push comes to the remote, and nobody here hears of it: no ref tells of what goes to an address."""
        if self.commit_of(commit):
            super().push(self.world.address, branch, commit)

    def _may_fail(self, kind: str) -> None:
        self.world.meanwhile()
        if self.world.strikes(kind):
            raise _broken(kind)


class RealLine(_Line): ...


class MemoryLine(_Line, MemoryGit): ...


def _broken(what: str) -> GitError:
    return GitError(f"remote origin cannot be reached: {what}", reason="unreachable")
