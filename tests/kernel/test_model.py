"""A model over real clones: whatever they do, in whatever order, settling brings them together and nothing is lost."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import audit
from conftest import Clock, Clone, fixed_entropy, git
from killing import stopping
from tbdx.errors import TbdxError
from tbdx.kernel import Kernel, bulk, links, work
from tbdx.kernel.sync import sync
from tbdx.store.worktree import identity

Clones = tuple[Clone, Clone]
YEAR_MS = 365 * 86_400_000
WORDS = ("title", "description", "notes", "assignee")
which = st.integers(0, 3)


class Model(RuleBasedStateMachine):
    """`said`: every value that a command acknowledged; each is a word of its own."""

    template: Path  # a folder with origin.git and the clones a and b

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="model"))
        self.numbers = itertools.count()
        self.entropy = fixed_entropy()
        self.said: list[str] = []
        self.issues: list[str] = []

    @initialize(n=st.integers(2, 4))
    def begin(self, n: int) -> None:
        for path in ("origin.git", "a", "b"):
            shutil.copytree(self.template / path, self.root / path, symlinks=True)
        for pattern in ("*/.git/config", "*/.git/worktrees/*/gitdir", "*/.git/tbd/*/.git"):
            for path in self.root.glob(pattern):
                path.write_text(path.read_text().replace(str(self.template), str(self.root)))
        names = ["a", "b", "c", "d"][:n]
        for name in names[2:]:
            git(self.root, "clone", "-q", str(self.root / "origin.git"), name)
        self.clones = [self.root / name for name in names]
        self.clocks = [Clock() for _ in names]

    def kernel(self, n: int) -> Kernel:
        n %= len(self.clones)
        at = str(self.clones[n])
        return Kernel(at, os.environ, now_ms=self.clocks[n], entropy=self.entropy, say=lambda *_: None)

    def word(self) -> str:
        return f"word{next(self.numbers)}end"

    def replaced(self, value: object) -> None:
        """Somebody who saw a value put another one in its place: nobody need find it again."""
        self.said = [word for word in self.said if word not in str(value)]

    def acknowledged(self, word: str, do: Callable[[], object]) -> None:
        """Note the word when the command says that it is done; an issue that is not here is no fault."""
        try:
            do()
        except TbdxError as e:
            assert "not found" in e.message.lower() or "Issue" in e.message, e
        else:
            self.said.append(word)

    @rule(n=which)
    def create(self, n: int) -> None:
        title, k = self.word(), self.kernel(n)
        self.acknowledged(title, lambda: self.issues.append(work.create(k, title, {"label": ("base",)})["internalId"]))

    @precondition(lambda self: self.issues)
    @rule(n=which, issue=which, field=st.sampled_from(WORDS))
    def edit(self, n: int, issue: int, field: str) -> None:
        k, word = self.kernel(n), self.word()
        internal = self.issues[issue % len(self.issues)]

        def change() -> None:
            old = k.read(internal)[0].get(field) or ""
            more = f"{old}\n{word}" if field in ("description", "notes") else word
            work.update(k, [internal], {field: more.strip()})
            self.replaced("" if field in ("description", "notes") else old)

        self.acknowledged(word, change)

    @precondition(lambda self: self.issues)
    @rule(n=which, issue=which, adds=st.booleans())
    def label(self, n: int, issue: int, adds: bool) -> None:
        k, word = self.kernel(n), self.word()
        internal = self.issues[issue % len(self.issues)]
        labels = {"add_label": (word,)} if adds else {"remove_label": ("base",)}
        self.acknowledged(word if adds else "", lambda: work.update(k, [internal], labels))

    @precondition(lambda self: self.issues)
    @rule(n=which, issue=which, closes=st.booleans())
    def close_or_reopen(self, n: int, issue: int, closes: bool) -> None:
        k, word = self.kernel(n), self.word()
        internal = self.issues[issue % len(self.issues)]

        def change() -> None:
            issue = k.read(internal)[0]
            is_closed = issue["status"] == "closed"
            if closes and not is_closed:
                bulk.close(k, [internal], reason=word)
            elif not closes and is_closed:
                bulk.reopen(k, [internal], reason=word)
                self.replaced(issue.get("close_reason"))
            else:
                k.need("nothing-to-do")

        self.acknowledged(word, change)

    @precondition(lambda self: len(self.issues) > 1)
    @rule(n=which, one=which, other=which)
    def depend(self, n: int, one: int, other: int) -> None:
        k = self.kernel(n)
        a, b = (self.issues[x % len(self.issues)] for x in (one, other))
        if a < b:  # no rings
            self.acknowledged(b[3:], lambda: links.depend(k, a, [b], remove=False))

    @precondition(lambda self: self.issues)
    @rule(n=which, issue=which)
    def delete(self, n: int, issue: int) -> None:
        internal = self.issues[issue % len(self.issues)]
        path = Path(self.kernel(n).repo.issues) / f"{internal}.md"
        if path.exists() and len([*path.parent.glob("is-*.md")]) > 1:
            self.replaced(path.read_text())
            path.unlink()

    @rule(n=which)
    def synced(self, n: int) -> None:
        sync(self.kernel(n))

    @rule(n=which, after=st.integers(0, 80))
    def killed(self, n: int, after: int) -> None:
        left = iter(range(after))
        with stopping(lambda _: "" if next(left, None) is not None else "kill"):
            sync(self.kernel(n))

    @rule(n=which, years=st.sampled_from([-10, -1, 1, 10]))
    def clock_off(self, n: int, years: int) -> None:
        self.clocks[n % len(self.clocks)].at += years * YEAR_MS

    @rule(back=st.integers(1, 3))
    def remote_rewound(self, back: int) -> None:
        history = git(self.root / "origin.git", "rev-list", "--first-parent", "tbd-sync").split()
        git(self.root / "origin.git", "update-ref", "refs/heads/tbd-sync", history[min(back, len(history) - 1)])

    @rule()
    def remote_forced_elsewhere(self) -> None:
        g = self.kernel(0).git
        files = {".tbd/data-sync/meta.yml": g.hash_all([b"schema_version: 1\n"])[0]}
        root = g.commit_tree(None, files, [], "elsewhere", author=identity("x", "x@x", "@0 +0000"))
        git(self.clones[0], "push", "-q", "--force", "origin", f"{root}:refs/heads/tbd-sync")

    @rule(n=which)
    def collected(self, n: int) -> None:
        at = self.clones[n % len(self.clones)]
        git(at, "worktree", "prune")
        git(at, "gc", "--quiet", "--prune=now")

    def teardown(self) -> None:
        if hasattr(self, "clones"):
            self.settle()
        shutil.rmtree(self.root, ignore_errors=True)

    def tips(self) -> set[str]:
        return {git(at, "rev-parse", "refs/heads/tbd-sync").strip() for at in (*self.clones, self.root / "origin.git")}

    def settle(self) -> None:
        for _ in range(2):
            for n in range(len(self.clones)):
                sync(self.kernel(n))
        for n in range(len(self.clones)):
            sync(self.kernel(n))
        before = self.tips()
        assert len(before) == 1, before
        for n in [*range(len(self.clones))] * 2:
            sync(self.kernel(n))
        assert self.tips() == before
        branch = audit.Branch(self.clones[0])
        lost: dict[str, Any] = {row[0]: found for row in branch.merges() if (found := branch.lost_in(*row))}
        assert not lost, lost
        history = branch.git("log", "-p", "-m", "--format=", "tbd-sync")
        assert [word for word in self.said if word not in history] == []
        data = [
            {p.name: p.read_bytes() for p in Path(self.kernel(n).repo.issues).iterdir()}
            for n in range(len(self.clones))
        ]
        assert all(d == data[0] for d in data)


def play(clones: Clones, examples: int, steps: int) -> None:
    Model.template = clones[0].path.parent
    assert clones[1].run("sync").code == 0
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Model,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None, suppress_health_check=quiet,
            derandomize=examples < 10, phases=[Phase.explicit, Phase.generate],
        ),
    )  # fmt: skip


def test_whatever_clones_do_settling_brings_them_together(clones: Clones) -> None:
    play(clones, 4, 12)


@pytest.mark.long
def test_whatever_clones_do_settling_brings_them_together_many_times(clones: Clones) -> None:
    play(clones, 15, 25)
