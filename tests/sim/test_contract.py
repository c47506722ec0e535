"""What the kernel asks of git, of the real one and of the one in memory alike, so that the second stays the first."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import git as run_git
from conftest import new_git
from sim.memory_git import Memory, MemoryGit
from tbdx.core.digest import blob_id
from tbdx.errors import Git as GitError
from tbdx.store import failpoint
from tbdx.store.git import Git
from tbdx.store.layout import Repo
from tbdx.store.objects import Change
from tbdx.store.worktree import SCAFFOLD, identity

BRANCH, REF = "tbd-sync", "refs/heads/tbd-sync"
Make = Callable[[str], Git]


@pytest.fixture(params=["real", "memory"])
def clone(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A new clone by name, of a remote `origin` that all of them share."""
    server = Memory()

    def make(name: str) -> Git:
        path = tmp_path / name
        if request.param == "real":
            run_git(new_git(path), "remote", "add", "origin", str(tmp_path / "origin.git"))
        repo = Repo(str(path), f"{path}/.git", f"{path}/.git")
        os.makedirs(repo.scratch)
        if request.param == "real":
            return Git(repo, os.environ)
        return MemoryGit(repo, Memory(remotes={"origin": server}))

    if request.param == "real":
        run_git(tmp_path, "init", "-q", "--bare", "origin.git")
    return make


@pytest.fixture
def g(clone: Make) -> Git:
    return clone("a")


def commit(g: Git, files: dict[str, bytes | None], *parents: str, message: str = "m") -> str:
    kept = {p: d for p, d in files.items() if d is not None}
    blobs = dict(zip(kept, g.hash_all(list(kept.values())), strict=True))
    return g.commit_tree(parents[0] if parents else None, {p: blobs.get(p) for p in files}, parents, message)


def id_of(data: bytes) -> str:
    return blob_id(data, "0" * 40)


def letters(found: dict[str, Change]) -> dict[str, str]:
    return {path: change.letter for path, change in found.items()}


def test_blobs_are_stored_byte_for_byte_under_their_own_ids(g: Git) -> None:
    wanted = [b"", b"a\r\nb", b"\0\xff", b"x" * 100_000]
    ids = g.hash_all(wanted)
    assert ids == [id_of(data) for data in wanted]
    assert [g.blobs(ids)[i] for i in ids] == wanted
    assert g.hash_all([]) == [] and g.blobs([]) == {}
    with pytest.raises(GitError, match="missing or damaged") as e:
        g.blobs([ids[0], "0" * 39 + "1"])
    assert e.value.reason == "damaged"


def test_a_commit_changes_adds_and_removes_paths(g: Git) -> None:
    one = commit(g, {"a": b"1", "d/b": b"2", "ü \n x": b"3"})
    two = commit(g, {"a": b"9", "d/b": None, "c": b"4"}, one)
    assert g.content(two) == {"a": b"9", "ü \n x": b"3", "c": b"4"} and g.content(two, ["a", "nothing"]) == {"a": b"9"}
    found = g.differing(one, two)
    assert letters(found) == {"a": "M", "d/b": "D", "c": "A"}
    assert (found["a"].old, found["a"].new, found["a"].id) == (id_of(b"1"), id_of(b"9"), id_of(b"9"))
    assert (found["d/b"].old, found["d/b"].new, found["c"].old, found["c"].new) == (
        id_of(b"2"),
        None,
        None,
        id_of(b"4"),
    )
    assert {p: (c.letter, c.new) for p, c in g.differing(None, two).items()} == {
        p: ("A", blob) for p, (_, blob) in g.tree(two).items()
    }
    assert g.tree_of(two) == g.tree_of(commit(g, {"c": b"4", "ü \n x": b"3", "a": b"9"})) != g.tree_of(one)
    assert g.tree_of("0" * 39 + "1") is None


def test_what_is_no_plain_file_has_a_mode_and_counts_as_no_blob(g: Git) -> None:
    one = commit(g, {"a": b"1", "b": b"1"})
    two = g.commit_tree(one, {"a": f"120000 {id_of(b'1')}", "b": None}, [one], "m")
    found = g.differing(one, two)
    assert g.tree(two) == {"a": ("120000", id_of(b"1"))} and g.content(two) == {}
    assert (found["a"].mode, found["a"].old, found["a"].new, found["a"].id) == (
        "120000",
        *[id_of(b"1"), None, id_of(b"1")],
    )
    assert g.history(one, two) == [(two, [one], {})]
    assert g.history(one, commit(g, {}, two, one))[0][2] == {"a": None, "b": None}


def test_the_first_commit_and_one_of_a_given_author_and_date_are_the_same_in_every_clone(clone: Make) -> None:
    a, b = clone("a"), clone("b")
    first = a.first_commit()
    assert first == b.first_commit() and a.content(first) == SCAFFOLD and a.date(first) == 0
    made = [g.commit_tree(first, {}, [first], "m", author=identity("x", "x@y", "@77 +0000")) for g in (a, b)]
    assert made[0] == made[1] and a.date(made[0]) == 77


def test_refs_move_all_or_none_and_only_from_where_they_were_thought_to_be(g: Git) -> None:
    one, two = commit(g, {"a": b"1"}), commit(g, {"a": b"2"})
    x, y = "refs/heads/x", "refs/tbdx/y"
    g.move_refs({x: (one, None)})
    for moves in ({x: (two, two)}, {x: (two, None)}, {y: (one, None), x: (two, two)}, {y: (one, two)}):
        with pytest.raises(GitError) as e:
            g.move_refs(moves)
        assert e.value.reason == "moved"
    assert g.refs(x, y) == {x: one}
    g.move_refs({x: (two, one), y: (two, "")})
    assert g.refs(x, "refs/tbdx/") == {x: two, y: two} and g.branch_tip("x") == two == g.commit_of(x)
    with pytest.raises(GitError) as missing:
        g.move_refs({x: ("0" * 39 + "1", two)})
    assert missing.value.reason == "" and g.branch_tip("x") == two


def test_what_is_not_there_is_none(g: Git) -> None:
    assert g.commit_of("nothing") is None is g.commit_of("0" * 39 + "1")
    assert g.branch_tip("nothing") is None is g.remote_tip("origin", "x")
    assert g.worktree_git_dir() is None and not g.is_cut()
    assert (g.has_remote("origin"), g.has_remote("/tmp"), g.remotes()) == (True, False, ["origin"])


def test_history_is_what_git_makes_of_it(g: Git) -> None:
    root = commit(g, {"f": b"0", "g": b"0"})
    a = commit(g, {"f": b"a"}, root)
    b = commit(g, {"f": b"b", "h": b"b"}, root)
    b2 = commit(g, {"g": None}, b, message="title\n\nbody")
    merged = commit(g, {"f": b"ab"}, a, b2)
    other = commit(g, {"f": b"ba"}, b2, a)
    assert g.merge_base(a, b2) == root and g.merge_base(b, b2) == b and g.merge_base(merged, a) == a
    assert g.merge_base(merged, other) in (a, b2) and g.merge_base(root, commit(g, {"z": b""})) is None
    assert g.is_ancestor(root, merged) and g.is_ancestor(a, a) and not g.is_ancestor(merged, a)
    assert not g.is_ancestor("0" * 39 + "1", a)
    assert (g.count(merged, root), g.count(root, merged), g.count(merged, a)) == (4, 0, 3)
    assert [t.split(" ", 1)[1] for t in g.titles(b2, root)] == ["title", "m"]
    rows = g.history(root, merged, a)
    order = [c for c, *_ in rows]
    assert {*order} == {a, b, b2, merged} and order.index(b) < order.index(b2) < 3 == order.index(merged)
    assert {c: parents for c, parents, _ in rows} == {a: [root], b: [root], b2: [b], merged: [a, b2]}
    changed = {c: found for c, _, found in rows}
    assert changed[b] == {"f": id_of(b"b"), "h": id_of(b"b")} and changed[b2] == {"g": None}
    assert changed[merged] == {"f": id_of(b"ab"), "g": None} or changed[merged] == {"f": id_of(b"ab")}
    assert g.history(root, b2) == [(b, [root], {}), (b2, [b], {})]


def test_a_file_has_been_what_it_was_on_every_line_of_history(g: Git) -> None:
    root = commit(g, {"f": b"0"})
    a, b = commit(g, {"f": b"a"}, root), commit(g, {"f": b"b"}, root)
    end = commit(g, {"x": b"", "f": b"a"}, a, b)
    last = commit(g, {"f": b"c"}, commit(g, {"f": None}, end))
    found = g.versions(last, "f")
    assert {*found} == {id_of(data) for data in (b"0", b"a", b"b", b"c")} and len(found) == 4
    assert (found[0], found[-1]) == (id_of(b"c"), id_of(b"0")) and g.versions(last, "nothing") == []


def test_the_hidden_worktree_is_a_head_and_an_index(g: Git) -> None:
    one = commit(g, {"a": b"1"})
    two = commit(g, {"a": b"2"}, one)
    g.move_refs({REF: (one, None), "refs/heads/other": (two, None)})
    os.makedirs(os.path.dirname(g.repo.worktree))
    g.add_worktree(BRANCH)
    assert os.listdir(g.repo.worktree) == [".git"] and os.path.isdir(g.worktree_git_dir() or "")
    assert (g.worktree_branch(), g.worktree_head(), g.checked_out_at(BRANCH)) == (BRANCH, one, None)
    assert g.worktree_tree() != g.tree_of(one)
    g.set_worktree_index(two)
    assert g.worktree_tree() == g.tree_of(two) and g.worktree_head() == one
    g.put_worktree_on("other")
    assert (g.worktree_branch(), g.worktree_head()) == ("other", two)
    g.put_worktree_on("none")
    assert (g.worktree_branch(), g.worktree_head()) == ("none", None)
    own = g.worktree_git_dir()
    os.unlink(f"{g.repo.worktree}/.git")
    assert g.worktree_git_dir() is None
    g.set_worktree_index(one)  # of which there is none now
    g.tie_worktree(BRANCH)
    assert g.worktree_git_dir() == own and g.worktree_tree() == g.tree_of(two)


def test_objects_come_by_fetching_and_go_by_pushing(clone: Make) -> None:
    a, b = clone("a"), clone("b")
    one = commit(a, {"f": b"1"})
    assert a.heads("origin") == {} == a.heads("origin", BRANCH)
    assert a.push("origin", BRANCH, one) == (True, "") == a.push("origin", BRANCH, one)
    assert a.remote_tip("origin", BRANCH) == one and b.remote_tip("origin", BRANCH) is None
    assert b.heads("origin", BRANCH) == {BRANCH: one} == b.heads("origin") and b.heads("origin", "x") == {}
    assert b.commit_of(one) is None and not b.is_ancestor(one, one)
    with pytest.raises(GitError):
        b.blobs([id_of(b"1")])
    b.fetch("origin", BRANCH, one)
    assert b.remote_tip("origin", BRANCH) == one
    assert b.content(one) == {"f": b"1"} and b.branch_tip(BRANCH) is None
    two, three = commit(b, {"f": b"2"}, one), commit(a, {"f": b"3"}, one)
    assert b.push("origin", BRANCH, two) == (True, "")
    assert a.push("origin", BRANCH, three) == (False, "behind") and a.push("origin", BRANCH, one) == (False, "behind")
    assert a.remote_tip("origin", BRANCH) == one and a.commit_of(two) is None
    a.fetch("origin", BRANCH, two)
    assert a.remote_tip("origin", BRANCH) == two and a.merge_base(two, three) == one
    with pytest.raises(GitError) as e:
        a.fetch("origin", "nothing", "0" * 39 + "1")
    assert e.value.reason == "unreachable"


def test_another_branch_is_looked_into_and_nothing_of_it_stays(clone: Make) -> None:
    a, b = clone("a"), clone("b")
    one = commit(a, {"out/x": b"1", "out/d/y": b"2", "z": b"3"})
    a.push("origin", "other", one)
    assert b.look_into("origin", {"other": one}, "out/") == {"other": {"x": b"1", "d/y": b"2"}}
    assert b.commit_of(one) is None and b.refs("refs/remotes/") == {}


def test_a_remote_that_is_not_there_cannot_be_reached(g: Git) -> None:
    one = commit(g, {"f": b"1"})
    asked = (
        lambda: g.heads("nowhere"),
        lambda: g.fetch("nowhere", BRANCH, "0" * 39 + "1"),
        lambda: g.push("nowhere", BRANCH, one),
    )
    for ask in asked:
        with pytest.raises(GitError, match="cannot be reached") as e:
            ask()
        assert e.value.reason == "unreachable"


def test_every_change_passes_the_same_failpoints(g: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    one = commit(g, {"a": b"1"})
    g.move_refs({REF: (one, None)})
    os.makedirs(os.path.dirname(g.repo.worktree))
    g.add_worktree(BRANCH)
    reached: list[str] = []
    monkeypatch.setattr(failpoint, "hook", lambda name: reached.append(name) if name[:4] == "git." else None)

    def of(act: Callable[[], object]) -> str:
        reached.clear()
        act()
        return " ".join(name[4:] for name in reached)

    made: list[str] = []
    assert of(lambda: g.hash_all([b"x"])) == "hash-object"
    assert (
        of(lambda: made.append(g.commit_tree(one, {}, [one], "m"))) == "read-tree update-index write-tree commit-tree"
    )
    assert (of(lambda: g.set_worktree_index(made[0])), of(lambda: g.set_worktree_index(one))) == ("", "read-tree")
    assert of(lambda: g.move_refs({REF: (made[0], one)})) == "update-ref"
    assert (of(g.worktree_tree), of(lambda: g.put_worktree_on(BRANCH))) == ("write-tree", "symbolic-ref")
    assert of(lambda: g.push("origin", BRANCH, one)) == "push"
    assert of(lambda: g.fetch("origin", BRANCH, one)) == "fetch"
    assert of(lambda: g.heads("origin")) == "" == of(lambda: (g.blobs([id_of(b"1")]), g.tree(one), g.refs(REF)))


def test_a_full_disk_is_an_error_of_git(g: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    one = commit(g, {"a": b"1"})

    def full(name: str) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(failpoint, "hook", full)
    asked = (lambda: g.move_refs({REF: (one, None)}), lambda: g.push("origin", BRANCH, one), g.worktree_tree)
    for ask in asked:
        with pytest.raises(GitError, match="No space left"):
            ask()
    assert g.refs(REF) == {} == g.heads("origin")
