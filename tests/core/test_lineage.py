"""Clones meet in whatever order: a small history of commits, merged as sync merges it."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.test_merge import BASE, PATH, data, edited, few, issues, later
from tbdx.core import attic, codec, lineage, loose

Issue = dict[str, Any]
Tree = dict[str, bytes]


@dataclass
class World:
    """Commits with their trees, as git would hold them."""

    trees: dict[str, Tree] = field(default_factory=dict)
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def commit(self, tree: Tree, *parents: str) -> str:
        name = str(len(self.trees))
        self.trees[name], self.parents[name] = tree, parents
        return name

    def edit(self, parent: str, issue: Issue | None) -> str:
        tree = {p: d for p, d in self.trees[parent].items() if p != PATH}
        return self.commit(tree if issue is None else tree | {PATH: data(issue)}, parent)

    def past(self, commit: str) -> set[str]:
        return {commit}.union(*(self.past(p) for p in self.parents[commit]))

    def base(self, a: str, b: str) -> str:
        common = self.past(a) & self.past(b)
        return min(c for c in common if not any(c in self.past(d) - {d} for d in common))

    def history(self, base: str, *ends: str) -> list[Any]:
        out = set().union(*(self.past(end) for end in ends)) - self.past(base)
        return [(c, self.parents[c], self._changed(c)) for c in sorted(out, key=int)]

    def _changed(self, commit: str) -> dict[str, bytes | None]:
        old, new = self.trees[self.parents[commit][0]] if self.parents[commit] else {}, self.trees[commit]
        return {p: new.get(p) for p in {*old, *new} if old.get(p) != new.get(p)}

    def meet(self, ours: str, theirs: str) -> str:
        """What a sync of a clone at `ours` leaves when the remote is at `theirs`."""
        base = self.base(ours, theirs)
        if base == theirs:
            return ours
        if base == ours:
            return theirs
        trees = [self.trees[c] for c in (base, ours, theirs)]
        merged, _ = lineage.merge(self.history(base, ours, theirs), base, (ours, theirs), *trees, lambda _: None)
        tree = {p: d for p, d in merged.items() if d is not None}
        return theirs if tree == self.trees[theirs] else self.commit(tree, ours, theirs)

    def issue(self, commit: str) -> Issue | None:
        found = self.trees[commit].get(PATH)
        return None if found is None else codec.parse(found.decode())

    def lost(self, commit: str) -> set[tuple[str, str]]:
        """(field, lost value) of the attic at a commit."""
        found = [d.decode() for p, d in self.trees[commit].items() if p.startswith(attic.FOLDER) and p.endswith(".yml")]
        entries = [loose.load_map(text)[0] for text in found]
        return {(e["field"], e["lost_value"]) for e in entries}


def meet_in_turn(base: Issue, edits: list[Issue | None], order: tuple[int, ...]) -> tuple[World, str]:
    world = World()
    root = world.commit({PATH: data(base)})
    clones = [world.edit(root, new) for new in edits]
    tip = clones[order[0]]
    for n in order[1:]:
        tip = world.meet(clones[n], tip)
    return world, tip


def check_orders(base: Issue, edits: list[Issue | None]) -> None:
    seen = []
    for order in itertools.permutations(range(len(edits))):
        world, tip = meet_in_turn(base, edits, order)
        issue = world.issue(tip)
        said = {k: v for k, v in (issue or {}).items() if k != "version"}
        # a value that lost on the way and stands after all is in the attic in some orders only
        stands = {(name, json.dumps(value, ensure_ascii=False)) for name, value in said.items()}
        seen.append((json.dumps(said, sort_keys=True), sorted(world.lost(tip) - stands)))
    assert all(one == seen[0] for one in seen), seen


sides = issues().flatmap(lambda b: st.tuples(st.just(b), st.lists(edited(b) | st.none(), min_size=3, max_size=3)))


@given(sides)
@few
def test_three_clones_make_the_same_issue_and_attic_in_all_six_orders(case: tuple[Issue, list[Issue | None]]) -> None:
    check_orders(*case)


@pytest.mark.long
@given(sides)
@settings(max_examples=500, deadline=None, database=None)
def test_three_clones_make_the_same_in_all_six_orders_many_times(case: tuple[Issue, list[Issue | None]]) -> None:
    check_orders(*case)


def test_a_value_does_not_borrow_the_time_of_another_edit() -> None:
    a, b, c = later(4, title="A"), later(3, priority=1), later(2, priority=0)
    check_orders(BASE, [a, b, c])
    world, tip = meet_in_turn(BASE, [a, b, c], (0, 2, 1))  # c came in with the time of a
    issue = world.issue(tip)
    assert issue and (issue["title"], issue["priority"]) == ("A", 1) and world.lost(tip) == {("priority", "0")}


def test_four_clones_meet_alike_too() -> None:
    text = "one\ntwo\nthree"
    base = BASE | {"description": text}
    edits = [
        later(2, base, title="A", description=text.replace("one", "ONE")),
        later(3, base, priority=0, description=text.replace("one", "One").replace("three", "3")),
        later(4, base, labels=["base", "c"], description=text + "\nfour"),
        later(5, base, title="D", labels=[], description=text.replace("three", "Three")),
    ]
    check_orders(base, list(edits))


def test_a_merge_by_another_tool_counts_as_an_edit() -> None:
    world = World()
    root = world.commit({PATH: data(BASE)})
    a, b, c = (world.edit(root, later(n, priority=p)) for n, p in ((4, 1), (2, 0), (3, 3)))
    theirs = world.commit({PATH: data(later(9, priority=4, title="by another tool"))}, b, a)
    issue = world.issue(world.meet(c, theirs))
    assert issue and (issue["priority"], issue["title"]) == (4, "by another tool")


def test_an_edit_on_top_of_a_merge_replaces_what_was_merged() -> None:
    world = World()
    root = world.commit({PATH: data(BASE)})
    a, b = world.edit(root, later(5, title="A")), world.edit(root, later(2, priority=0))
    merged = world.meet(b, a)
    on_top = world.edit(merged, later(6, world.issue(merged) or {}, priority=3))
    c = world.edit(root, later(4, priority=1))
    issue = world.issue(world.meet(c, on_top))
    assert issue and (issue["title"], issue["priority"]) == ("A", 3)


def test_edits_below_a_common_edit_do_not_bring_back_what_it_replaced() -> None:
    world = World()
    root = world.commit({PATH: data(BASE)})
    first = world.edit(root, later(2, title="first"))
    a = world.edit(first, later(3, world.issue(first) or {}, title="A"))
    b = world.edit(first, later(9, world.issue(first) or {}, priority=0))
    c = world.edit(root, later(4, labels=["c"]))
    for one, two in ((a, b), (b, a)):
        merged = world.meet(one, two)
        for tip in (world.meet(c, merged), world.meet(merged, c)):
            issue = world.issue(tip)
            assert issue and (issue["title"], issue["priority"], issue["labels"]) == ("A", 0, ["c"])
            assert not world.lost(tip)


def test_a_history_that_took_in_another_beginning_still_meets() -> None:
    world = World()
    root = world.commit({PATH: data(BASE)})
    a, b = world.edit(root, later(2, title="A")), world.edit(root, later(3, priority=0))
    joined = world.commit(world.trees[a], a, world.commit({PATH: data(BASE)}))
    for tip in (world.meet(b, joined), world.meet(joined, b)):
        issue = world.issue(tip)
        assert issue and (issue["title"], issue["priority"]) == ("A", 0)
