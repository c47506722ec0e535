"""Cursors: opaque tokens that come back as they were, and anything else is refused."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core import cursor
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
