"""Cycles, loose ends, long chains of parents and dependencies: every query ends soon, and refusals name the cycle."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from conftest import Clone
from damage import kept, put_issue, refused, ulid

Shape = Callable[[Clone], None]
GONE = f"is-{ulid(99_999)}"


def edge(n: int) -> dict[str, str]:
    return {"type": "blocks", "target": f"is-{ulid(n)}"}


def ring(repo: Clone, size: int) -> None:
    """Each is the parent of the next and blocks it; the last one leads back to the first."""
    for n in range(size):
        after = f"is-{ulid((n + 1) % size)}"
        put_issue(repo, n, dependencies=[edge((n + 1) % size)], parent_id=after, child_order_hints=[after])


def chain(repo: Clone, size: int) -> None:
    for n in range(size):
        above = {"parent_id": f"is-{ulid(n - 1)}"} if n else {}
        put_issue(repo, n, dependencies=[edge(n + 1)] if n + 1 < size else [], **above)


def diamonds(repo: Clone, count: int) -> None:
    """One above two above one, again and again: 2^count ways from the first to the last."""
    for n in range(0, 3 * count, 3):
        put_issue(repo, n, dependencies=[edge(n + 1), edge(n + 2)])
        put_issue(repo, n + 1, dependencies=[edge(n + 3)], parent_id=f"is-{ulid(n)}")
        put_issue(repo, n + 2, dependencies=[edge(n + 3)], parent_id=f"is-{ulid(n)}")
    put_issue(repo, 3 * count)


def dangling(repo: Clone) -> None:
    gone = {"type": "blocks", "target": GONE}
    put_issue(repo, 0, dependencies=[gone], parent_id=GONE, child_order_hints=[GONE])
    put_issue(repo, 1, status="closed", closed_at="2025-01-02T00:00:00.000Z", duplicate_of=GONE, resolution="duplicate")


def star(repo: Clone) -> None:
    """One issue above and before a thousand."""
    put_issue(repo, 0, dependencies=[edge(n) for n in range(1, 1000)])
    for n in range(1, 1000):
        put_issue(repo, n, parent_id=f"is-{ulid(0)}")


SHAPES: dict[str, tuple[Shape, int]] = {
    "self": (lambda r: ring(r, 1), 1),
    "pair": (lambda r: ring(r, 2), 2),
    "ring-of-1000": (lambda r: ring(r, 1000), 1000),
    "chain-of-2000": (lambda r: chain(r, 2000), 2000),
    "diamonds": (lambda r: diamonds(r, 100), 301),
    "dangling": (dangling, 1),
    "star": (star, 1000),
}
QUERIES = (
    ["list", "--json"],
    ["list", "--pretty"],
    ["list", "--count", "--parent", f"is-{ulid(0)}"],
    ["ready", "--json"],
    ["blocked", "--json"],
    ["show", f"is-{ulid(0)}", "--show-order"],
    ["dep", "list", f"is-{ulid(0)}"],
    ["create", "New", "--parent", f"is-{ulid(0)}"],
    ["update", f"is-{ulid(0)}", "--priority", "1"],
    ["doctor", "--json"],
)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_query_ends(repo: Clone, shape: str) -> None:
    make, size = SHAPES[shape]
    make(repo)
    assert repo.json("list", "--count")["count"] == size  # and the short ids are known to the system's cache
    repo.json("create", "Warm")
    took = {}
    for argv in QUERIES:
        started = time.process_time()
        done = repo.run(*argv)
        took[argv[0]] = time.process_time() - started
        assert done.code in (0, 1, 2) and "unexpected" not in done.err and "RecursionError" not in done.err, (
            argv,
            done,
        )
        if argv[0] not in ("create", "doctor"):
            assert done.code == 0, (argv, done.err[-500:])
    assert max(took.values()) < 2, took


@pytest.mark.long
def test_every_query_ends_on_a_chain_of_5000(repo: Clone) -> None:
    chain(repo, 5000)
    repo.json("create", "Warm")
    for argv in QUERIES:
        started = time.process_time()
        assert repo.run(*argv).code in (0, 1, 2)
        assert time.process_time() - started < 4


def test_pure_views_end_on_chains_and_rings_of_5000() -> None:
    from tbdx.core import lists, snapshot

    size = 5000
    parent = {str(n): str((n + 1) % size) for n in range(size)}
    issues = [
        {
            "id": str(n),
            "parent_id": parent[str(n)],
            "status": "open",
            "priority": 2,
            "dependencies": [{"target": str(n)}],
        }
        for n in range(size)
    ]
    assert (
        len(lists.tree(issues, {})) == size and max(len(more) for _, more, _ in lists.tree(issues, {})) == lists.DRAWN
    )
    assert lists.cycles({n: [p] for n, p in parent.items()}) == [sorted(parent)]
    assert len(lists.ancestors("0", parent.get)) == 1000
    at = snapshot.of(issues, str)
    assert lists.ready(at) == [] and len(lists.blocked(at)) == size
    del parent["0"]
    chain_of = [{**i, "parent_id": parent.get(i["id"])} for i in issues]
    assert len(lists.tree(chain_of, {})) == size
    assert lists.cycles({n: [p] for n, p in parent.items()}) == []


def test_pure_views_end_on_5000_diamonds_one_below_the_other() -> None:
    from tbdx.core import lists, snapshot

    size = 5000
    below = {n: [n + 1, n + 2] if n % 3 == 0 else [n - n % 3 + 3] for n in range(3 * size)} | {3 * size: []}
    edges = {str(n): [str(m) for m in more] for n, more in below.items()}
    issues = [
        {"id": n, "status": "open", "priority": 2, "dependencies": [{"target": m} for m in more]}
        for n, more in edges.items()
    ]
    at = snapshot.of(issues, str)
    assert lists.cycles(edges) == [] and len(lists.ready(at)) == 1 and len(lists.blocked(at)) == 3 * size
    assert lists.cycles(edges | {str(3 * size): ["0"]}) != []


def test_update_parent_names_the_cycle(repo: Clone) -> None:
    a, b, c = (repo.create(t) for t in "ABC")
    repo.json("update", b, "--parent", a)
    repo.json("update", c, "--parent", b)
    refused(repo, "update", a, "--parent", c, code=2, says=f"That parent would create a cycle ({c} -> {b} -> {a})")
    refused(repo, "update", a, "--parent", a, code=2, says=f"That parent would create a cycle ({a})")


def test_dep_add_names_the_cycle(repo: Clone) -> None:
    a, b, c = (repo.create(t) for t in "ABC")
    repo.json("dep", "add", b, a)
    repo.json("dep", "add", c, b)
    refused(repo, "dep", "add", a, c, code=2, says=f"That dependency would create a cycle ({a} -> {b} -> {c} -> {a}")
    refused(repo, "dep", "add", a, b, c, code=2, says="cycle")


def test_parents_nest_ten_deep_and_no_deeper(repo: Clone) -> None:
    above: list[str] = []
    for n in range(11):
        above = [repo.create(f"Level {n}", *(["--parent", above[0]] if above else [])), *above]
    assert len(above) == 11
    refused(repo, "create", "Too deep", "--parent", above[0], code=2, says="Parents may be nested 10 deep at most")
    other = repo.create("Other")
    refused(repo, "update", other, "--parent", above[0], code=2, says="Parents may be nested 10 deep at most")


def test_a_cycle_made_by_hand_can_be_taken_apart(repo: Clone) -> None:
    ring(repo, 2)
    a, b = f"is-{ulid(0)}", f"is-{ulid(1)}"
    repo.json("label", "add", a, "x")
    assert repo.json("list")[0]["id"] and len(repo.json("blocked")) == 2 and repo.json("ready") == []
    repo.json("dep", "remove", a, b)
    repo.json("update", a, "--parent", "")
    assert [row["internalId"] for row in repo.json("list") if "parentId" not in row] == [a]
    assert len(repo.json("ready")) == 1


def test_a_parent_and_a_blocker_that_are_gone_hold_nothing_up(repo: Clone) -> None:
    dangling(repo)
    one = repo.json("list")[0]["id"]
    assert [row["id"] for row in repo.json("ready")] == [one] and repo.json("blocked") == []
    assert "parent" not in repo.json("show", one)
    before = kept(repo)
    assert repo.json("dep", "list", one) == {"blocks": [GONE], "blockedBy": []}
    assert kept(repo) == before
    repo.json("update", one, "--parent", "")
    assert "parentId" not in repo.json("list")[0]
