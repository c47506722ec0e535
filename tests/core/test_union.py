"""The coordination branch's trees, merged as a union of paths."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happening import writer
from tbdx.core import union

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
A, B = writer("a"), writer("b")
PATHS = [f".coord/journal/{A}.jsonl", f".coord/journal/{A}/9.jsonl", f".coord/journal/{B}.jsonl"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f".coord/journal/{A}.jsonl", ("journal", A, 1)),
        (f".coord/journal/{A}/17.jsonl", ("journal", A, 17)),
        (f".coord/carried/{A}/3-5-0123abcd.jsonl", ("carried", A, 5)),
        (".coord/checkpoint/0123abcd.json", ("checkpoint", "0123abcd", 0)),
    ],
)
def test_a_path_of_a_coordination_branch_is_known(path: str, expected: tuple[str, str, int]) -> None:
    assert union.place(path) == expected
    if expected[0] == "journal":
        assert union.journal_path(*expected[1:]) == path


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        ".coord",
        ".coord/journal",
        ".coord/journal/x.jsonl",
        f".coord/journal/{A}.json",
        f".coord/journal/{A}~01234567.jsonl",
        f".coord/journal/{A}/1.jsonl",
        f".coord/journal/{A}/01.jsonl",
        f".coord/journal/{A}/x.jsonl",
        f".coord/journal/{A}/2/3.jsonl",
        f".coord/carried/{A}/3-5-0123ABCD.jsonl",
        f".coord/carried/{A}/3-0123abcd.jsonl",
        f".coord/carried/{A}.jsonl",
        ".coord/x/y.jsonl",
        ".coord/checkpoint/a/b.json",
        ".coord/checkpoint/...json",
        ".coord/checkpoint/a.jsonl",
        f".coord/outbox/{A}/1-2-01234567.jsonl",
        f".coord/journal/{A}/٣.jsonl",
    ],
)
def test_any_other_path_is_none(path: str) -> None:
    assert union.place(path) is None


lines = st.lists(st.sampled_from(["1\n", "2\n", "3\n"]), max_size=4).map("".join)
trees = st.dictionaries(st.sampled_from(PATHS), lines, max_size=3)


@few
@given(trees, trees)
def test_a_merge_is_the_union_of_paths_and_drops_no_line(ours: dict[str, str], theirs: dict[str, str]) -> None:
    out, apart = union.merge(ours, theirs, {}, lambda blob: blob.encode())
    assert out.keys() == ours.keys() | theirs.keys()
    rest = {x.path: x.rest.decode() for x in apart}
    for path in ours.keys() & theirs.keys():
        mine, other = ours[path], theirs[path]
        if mine.startswith(other) or other.startswith(mine):
            assert out[path] == max(mine, other, key=len) and path not in rest
        else:  # the remote's keeps the path; what only ours has is the rest
            common = mine[: len(mine) - len(rest[path])]
            assert out[path] == other and other.startswith(common) and mine == common + rest[path]
            assert not rest[path].startswith(other[len(common) : len(common) + 2])


@few
@given(trees)
def test_a_merge_with_itself_or_with_nothing_changes_nothing(tree: dict[str, str]) -> None:
    for ours, theirs in ((tree, tree), (tree, {}), ({}, tree)):
        assert union.merge(ours, theirs, {}, lambda blob: blob.encode()) == (tree, [])


def test_a_remote_that_has_less_than_it_had_is_told_and_nothing_is_dropped() -> None:
    path = PATHS[0]
    out, apart = union.merge({path: "1\n2\n"}, {path: "1\n"}, {path: "1\n2\n"}, lambda blob: blob.encode())
    assert out == {path: "1\n2\n"} and [(x.path, x.rest, x.why) for x in apart] == [(path, b"", "was cut short")]


def test_a_checkpoint_takes_the_place_of_whole_segments_that_it_covers_and_of_nothing_else() -> None:
    tree = {f".coord/journal/{A}.jsonl": "8", f".coord/journal/{A}/9.jsonl": "15", f".coord/journal/{B}.jsonl": "4"}
    tree |= {f".coord/carried/{A}/3-8-01234567.jsonl": "8", f".coord/carried/{A}/9-12-01234567.jsonl": "12"}
    tree |= {".coord/checkpoint/ab.json": "0", ".coord/other": "x"}

    def left(**vector: int) -> set[str]:
        kept = union.uncovered(tree, {A: vector.get("a", 0), B: vector.get("b", 0)}, int)
        assert kept.items() <= tree.items() and {".coord/checkpoint/ab.json", ".coord/other"} <= kept.keys()
        return {path.removeprefix(".coord/").replace("~1000000000000", "") for path in tree.keys() - kept.keys()}

    assert left() == set()
    assert left(a=7, b=3) == set()
    assert left(a=8) == left(a=14) == {"journal/a.jsonl"}  # what was carried may be of a fork that no seq tells apart
    assert left(a=15, b=4) == {"journal/a.jsonl", "journal/a/9.jsonl", "journal/b.jsonl"}


def test_a_file_whose_last_line_cannot_be_read_stays() -> None:
    tree = {f".coord/journal/{A}.jsonl": "0"}
    assert union.uncovered(tree, {A: 99}, int) == tree
