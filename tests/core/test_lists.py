"""Selections over issues: values in, values out; every one ends."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tbdx.core import lists, snapshot

Issue = dict[str, Any]


def made(name: str, *, blocks: str = "", **fields: Any) -> Issue:
    base: Issue = {"id": name, "title": name, "status": "open", "kind": "task", "priority": 2, "labels": []}
    base |= {"created_at": "2025-01-01T00:00:00.000Z", "updated_at": "2025-01-01T00:00:00.000Z"}
    return base | {"dependencies": [{"type": "blocks", "target": t} for t in blocks]} | fields


def listed(issues: list[Issue], by: str = "priority") -> str:
    at = snapshot.of(issues, str)
    return "".join(at["id"][n] for n in lists.in_list_order(at, range(len(issues)), by))


def ready(issues: list[Issue], **more: Any) -> str:
    at = snapshot.of(issues, str)
    return "".join(at["id"][n] for n in lists.ready(at, **more))


def blocked(issues: list[Issue]) -> list[tuple[str, str]]:
    at = snapshot.of(issues, str)
    return [(at["id"][n], "".join(at["id"][b] for b in above)) for n, above in lists.blocked(at)]


def names(issues: Any) -> str:
    return "".join(i["id"] for i in issues)


def test_issues_stand_by_priority_then_id() -> None:
    issues = [made("c"), made("b", priority=0), made("a")]
    assert listed(issues) == "bac"
    assert listed(issues, "no such order") == "bac"


@pytest.mark.parametrize("by", ["created", "updated"])
def test_issues_stand_newest_first_then_by_id(by: str) -> None:
    old, new = ({f"{by}_at": f"2025-01-0{n}T00:00:00.000Z"} for n in (1, 2))
    assert listed([made("b", **old), made("c", **new), made("a", **old)], by) == "cab"


def test_ready_is_open_unclaimed_unheld_undeferred_and_unblocked() -> None:
    late, now, early = (f"2025-06-1{n}T00:00:00.000Z" for n in (9, 5, 1))
    issues = [
        made("a"),
        made("b", status="in_progress"),
        made("c", delegate="x"),
        made("d", hold="paused"),
        made("e", deferred_until=late),
        made("f", deferred_until=early),
        made("g", assignee="x"),
        made("h", blocks="ij"),
        made("i"),
        made("j", status="closed"),
        made("k", status="closed", blocks="l"),
        made("l"),
        made("m", blocks="?"),
    ]
    assert ready(issues, now=now) == "afghlm"
    assert ready(issues) == "aefghlm"
    assert ready(issues, claimed_by="assignee", now=now) == "acfhlm"


def test_blocked_is_what_says_so_or_has_an_open_blocker() -> None:
    issues = [made("a", blocks="bc"), made("b"), made("c", status="closed"), made("d", status="blocked"), made("e")]
    assert blocked(issues) == [("b", "a"), ("d", "")]


def test_a_ring_of_blockers_ends_and_blocks_its_members() -> None:
    issues = [made("a", blocks="b"), made("b", blocks="a"), made("s", blocks="s"), made("x")]
    assert ready(issues) == "x" and len(blocked(issues)) == 3


def test_stale_counts_whole_days_and_the_longest_comes_first() -> None:
    day = 86_400_000
    now = 20_000 * day  # 2024-10-04
    issues = [
        made("a", updated_at="2024-09-30T00:00:00.000Z"),
        made("b", updated_at="2024-09-27T00:00:00.000Z"),
        made("c", updated_at="2024-09-27T00:00:00.001Z"),
        made("d", updated_at="2024-01-01T00:00:00.000Z", status="closed"),
    ]
    assert [(i["id"], n) for i, n in lists.stale(issues, now, 4, ["open"])] == [("b", 7), ("c", 6), ("a", 4)]
    assert names(i for i, _ in lists.stale(issues, now, 7, ["open", "closed"])) == "db"


@pytest.mark.parametrize(
    "wanted, hit",
    [
        ("docs/specs/a.md", True),
        ("specs/a.md", True),
        ("a.md", True),
        ("./a.md", True),
        ("ecs/a.md", False),
        ("b", False),
    ],
)
def test_a_spec_matches_by_any_of_its_tails(wanted: str, hit: bool) -> None:
    assert lists.matches_spec("docs/specs/a.md", wanted) is hit
    assert not lists.matches_spec(None, wanted)


def search(query: str, **more: Any) -> list[tuple[str, str, str]]:
    issues = [
        made("a", title="Alpha beta", description="x" * 30 + "Needle\n" + "y" * 60, labels=["Beta"]),
        made("b", notes="the needle"),
    ]
    at = snapshot.columns()
    for issue in issues:
        snapshot.put(at, snapshot.cells(issue, lambda i: {"a": "test-1ab2", "b": "test-zz"}[i]))
    return [(at["id"][n], field, match) for n, field, match in lists.search(at, query, **more)]


def test_a_search_gives_the_first_field_that_holds_it() -> None:
    assert search("beta") == [("a", "title", "Alpha beta")]
    assert search("BETA", fields=["labels"]) == [("a", "labels", "label: Beta")]
    assert search("needle", exact_case=True) == [("b", "notes", "the needle")]
    assert search("alpha", fields=["no such field"]) == []


def test_a_snippet_shows_what_stands_around_the_hit() -> None:
    ((_, field, text),) = search("Needle", exact_case=True)
    assert field == "description" and text == "..." + "x" * 20 + "Needle " + "y" * 39 + "..."
    assert search("needle")[1] == ("b", "notes", "the needle")


def test_an_id_is_found_by_its_beginning_or_by_a_part_of_the_short_one() -> None:
    assert search("test-1", fields=["id"]) == [("a", "id", "test-1ab2")]
    assert search("AB", fields=["id"]) == [("a", "id", "test-1ab2")]
    assert search("est-1", fields=["id"]) == [] and search("test", fields=["id"]) == []


def test_stats_count_by_every_value() -> None:
    found = lists.stats([made("a", kind="bug", priority=0), made("b", status="closed"), made("c", status="blocked")])
    assert (found["total"], found["active"], found["closed"]) == (3, 2, 1)
    assert found["byStatus"] == {"open": 1, "in_progress": 0, "blocked": 1, "deferred": 0, "closed": 1}
    assert found["byKindActive"]["bug"] == 1 and found["byKindClosed"]["task"] == 1
    assert found["byPriorityActive"] == {"0": 1, "1": 0, "2": 1, "3": 0, "4": 0}


def test_a_tree_has_each_issue_once_in_the_order_of_the_hints() -> None:
    issues = [
        made("a"),
        made("b", parent_id="a"),
        made("c", parent_id="a"),
        made("d", parent_id="b"),
        made("e", parent_id="?"),
    ]
    rows = lists.tree(issues, {"a": ["c", "x", "b"]})
    assert [(depth, i["id"]) for depth, _, i in rows] == [(0, "a"), (1, "c"), (1, "b"), (2, "d"), (0, "e")]
    assert [more for _, more, _ in rows] == [[], [True], [False], [False, False], []]


def test_a_ring_of_parents_is_listed_all_the_same() -> None:
    issues = [made("a", parent_id="b"), made("b", parent_id="a"), made("c", parent_id="c")]
    assert sorted(i["id"] for _, _, i in lists.tree(issues, {})) == ["a", "b", "c"]


def test_a_very_deep_tree_and_a_long_ring_end() -> None:
    n = 3_000
    issues = [made(f"{i:05}", parent_id=f"{i - 1:05}") for i in range(n)]
    assert lists.tree(issues, {})[-1][0] == n - 1
    assert len(lists.cycles({str(i): [str((i + 1) % n)] for i in range(n)})[0]) == n
    assert len(lists.ancestors("x", {"x": "a", "a": "b", "b": "a"}.get)) == 2
    assert len(lists.ancestors("0", lambda i: str(int(i) + 1))) == 1000


def test_cycles_are_found_each_once() -> None:
    edges = {"a": ["b"], "b": ["c"], "c": ["a"], "d": ["d"], "e": ["a"], "f": []}
    assert lists.cycles(edges) == [["a", "b", "c"], ["d"]]


def test_cycles_are_those_that_a_simple_search_finds() -> None:
    chance = random.Random(3)
    for _ in range(200):
        nodes = "abcdef"
        edges = {x: [y for y in nodes if chance.random() < 0.2] for x in nodes}

        def reached(start: str, edges: dict[str, list[str]] = edges) -> set[str]:
            seen: set[str] = set()
            stack = list(edges[start])
            while stack:
                at = stack.pop()
                if at not in seen:
                    seen.add(at)
                    stack += edges[at]
            return seen

        groups = {tuple(sorted(y for y in reached(x) if x in reached(y))) for x in nodes if x in reached(x)}
        assert lists.cycles(edges) == sorted(map(list, groups))
