"""Checkpoints: the same bytes for the same events, read back, and named by their digest."""

from __future__ import annotations

import json

import pytest

from happening import event_id
from tbdx.core import checkpoint
from tbdx.errors import BadFile

STATE = {"work": {"items": {}}, "log": {"types": {"x.y": 1}}}
ONE = checkpoint.Checkpoint(event_id(5), {"b": 2, "a": 1}, STATE)


def test_it_is_read_back_as_it_was_and_its_name_is_its_digest() -> None:
    found = checkpoint.parse(ONE.render(), f"{ONE.digest}.json")
    assert (found.until, found.vector, found.state, found.digest) == (ONE.until, ONE.vector, STATE, ONE.digest)
    assert found.render() == ONE.render() and ONE.render().endswith(b"}\n")


def test_the_order_of_the_vector_makes_no_difference() -> None:
    assert checkpoint.Checkpoint(ONE.until, {"a": 1, "b": 2}, STATE).render() == ONE.render()


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"until": "x"}, {"until": None}, {"vector": []}, {"vector": {"a": "1"}}, {"state": []}],
)
def test_what_is_no_checkpoint_is_told(change: dict[str, object]) -> None:
    with pytest.raises(BadFile, match="not a checkpoint"):
        checkpoint.parse(json.dumps(json.loads(ONE.render()) | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"5", b"{}", b"\xff", b"[" * 99_999, b'{"v":1}'])
def test_bytes_that_are_none_are_told(data: bytes) -> None:
    with pytest.raises(BadFile, match="not a checkpoint"):
        checkpoint.parse(data)


def test_one_that_is_not_what_its_name_says_is_told() -> None:
    with pytest.raises(BadFile, match="what its name says"):
        checkpoint.parse(ONE.render(), "0123456789abcdef.json")


def test_the_newest_is_the_one_that_goes_furthest_and_of_equals_any_clone_takes_the_same() -> None:
    later = checkpoint.Checkpoint(event_id(6), {}, STATE)
    other = checkpoint.Checkpoint(event_id(6), {"a": 9}, STATE)
    assert checkpoint.newest([]) is checkpoint.NONE and checkpoint.newest([ONE, checkpoint.NONE]) is ONE
    assert checkpoint.newest([later, other, ONE]) is checkpoint.newest([ONE, other, later])


def test_one_stands_for_another_when_it_covers_all_that_that_does() -> None:
    more, less = checkpoint.Checkpoint(ONE.until, {"a": 1, "b": 3}, {}), checkpoint.Checkpoint(ONE.until, {"a": 2}, {})
    assert more.stands_for(ONE) and not ONE.stands_for(more) and not less.stands_for(ONE) and ONE.stands_for(ONE)
    assert ONE.stands_for(checkpoint.NONE)
