"""Cursors: opaque tokens that come back as they were, and anything else is refused; what is past one."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from happening import crc, entry, event_id, line, made, writer
from tbdx.core import chain, cursor
from tbdx.core.checkpoint import NONE
from tbdx.core.cursor import Cursor
from tbdx.core.jsontext import dumps
from tbdx.errors import Usage

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
runs = st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99), texts), max_size=3)


@few
@given(st.dictionaries(texts, st.tuples(st.integers(0, 2**53), texts, runs), max_size=4), texts, texts)
def test_a_token_gives_the_cursor_back_and_can_stand_in_a_url_or_a_shell(
    journals: dict[str, Any], checkpoint: str, commit: str
) -> None:
    token = cursor.Cursor(journals, checkpoint, commit).token()
    found = cursor.parse(token)
    assert (found.journals, found.checkpoint, found.commit) == (journals, checkpoint, commit)
    assert found.token() == token and set(token.removeprefix("c1.").lower()) <= set(
        "abcdefghijklmnopqrstuvwxyz0123456789-_"
    )


def token_of(value: Any) -> str:
    from base64 import urlsafe_b64encode

    return "c1." + urlsafe_b64encode(dumps(value).encode()).decode().rstrip("=")


BAD = ["", "x", "c1", "c1.", "c2.W1tdLCIiLCIiXQ", "c1.!", "c1.é", "c1." + "W" * 20_001, "\0", "c1.____"]
BAD_VALUES: list[Any] = [
    None,
    1,
    [],
    {},
    [[], ""],
    [[["a"]], "", ""],
    [[["a", "1", "c", []]], "", ""],
    [[["a", 1, "c", [[1, 2]]]], "", ""],
    [[["a", 1, "c", [["1", 2, "x"]]]], "", ""],
    [[["a", 1, "c", 5]], "", ""],
    [[["a", 1.5, "c", []]], "", ""],
    [5, "", ""],
]


@pytest.mark.parametrize("text", BAD + [token_of(v) for v in BAD_VALUES], ids=range(len(BAD) + len(BAD_VALUES)))
def test_what_is_no_cursor_is_a_usage_error(text: str) -> None:
    with pytest.raises(Usage, match="not a cursor"):
        cursor.parse(text)


@few
@given(st.binary(max_size=40))
def test_no_bytes_crash_it(data: bytes) -> None:
    from base64 import urlsafe_b64encode

    with contextlib.suppress(Usage):
        cursor.parse("c1." + urlsafe_b64encode(data).decode())


# what is past one

A, B = writer("a"), writer("b", 2)
crcs = st.sampled_from(["", "00000000", "zz"])
places = st.tuples(st.integers(0, 9), crcs, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), crcs), max_size=3))


@st.composite
def journals_of(draw: Any) -> list[tuple[str, chain.Chains]]:
    """The lines of two writers, with copies that went on apart, some of them not here."""
    out = []
    for k, of in enumerate((A, B)):
        ends = [(0, chain.ROOT)]
        lines = []
        for n in range(draw(st.integers(0, 8))):
            seq, prev = draw(st.sampled_from(ends[-2:]))
            known = {"event_id": event_id(draw(st.integers(0, 30)), 100 * k + n)}
            raw = line(made(of, seq + 1, 0, prev=prev, body={"n": n}) | known)
            ends.append((seq + 1, crc(raw)))
            lines += [entry(raw)] if draw(st.integers(0, 5)) else []
        out.append((of, chain.assemble(of, lines)))
    return out


@few
@given(journals_of(), st.integers(0, 20))
def test_a_cursor_in_mid_page_gives_the_rest_of_it_and_no_more(lines: list[Any], n: int) -> None:
    shown, end = cursor.past(lines, Cursor({}), NONE, "")
    middle = cursor.without(end, shown[n:])
    rest, same = cursor.past(lines, middle, NONE, "")
    assert [e.raw for e in rest] == [e.raw for e in shown[n:]] and same.token() == end.token()
    assert cursor.past(lines, end, NONE, "")[0] == []
    seen = {e.name for e in shown[:n]}
    assert middle.journals.keys() == seen


@few
@given(journals_of(), st.dictionaries(st.sampled_from([A, B, f"{A}~01234567", "x"]), places, max_size=3), st.data())
def test_no_cursor_that_somebody_made_up_crashes_a_reader(lines: list[Any], held: dict[str, Any], data: Any) -> None:
    at = Cursor(held)
    shown, end = cursor.past(lines, at, NONE, "")
    cursor.without(end, shown[data.draw(st.integers(0, 9)) :])
    cursor.has_gap(end)
    cursor.is_behind(end, NONE)
    for of, some in lines:
        cursor.rest(some, of, at.by_writer().get(of, {}))


def test_a_gap_is_known_but_not_where_a_fork_begins() -> None:
    assert not cursor.has_gap(Cursor({A: (3, "c", []), f"{A}~01234567": (0, "", [(2, 5, "c")])}))
    assert cursor.has_gap(Cursor({A: (3, "c", [(5, 6, "c")])}))
    assert cursor.has_gap(Cursor({A: (0, "", [(2, 2, "c")])}))
    assert not cursor.has_gap(Cursor({A: (0, "", [(1, 5, ""), (6, 9, "c")])}))
