"""The fast YAML form: what it writes it reads back, and what it takes means the same to the thorough reader."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tbdx.core import canon
from tbdx.core.loose import load_map
from tbdx.errors import BadFile

few = settings(max_examples=250, deadline=None, database=None, derandomize=True)
many = settings(max_examples=20_000, deadline=None, database=None)

ODD = "ab:#-?|>'\"\\[]{}!&*%@`,~=<. \n\t_+0189exXoTFnN\x07\x7f\x85\xa0\u2028\u2029\ufeffé😀"
TRAPS = (
    "no yes on off y n null Null ~ true FALSE = << 1e3 0o7 0x1F 010 1_000 1:30 123e4567 2026-01-01 .5 5. +1 -1 -0 1.0"
    " .inf -.INF .nan - -- --- ... ? : # % | > |- >+ [] {} 1e 0x 0o8 2026-01-01T00:00:00.000Z"
).split()
texts = (
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    | st.text(ODD, max_size=14)
    | st.sampled_from(TRAPS)
    | st.builds("{} {}".format, st.sampled_from(TRAPS), st.text(ODD, max_size=4))
)
plain = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
mappings = st.dictionaries(texts, values, max_size=4)
lines = st.lists(
    st.text(ODD, max_size=12)
    | st.builds("{}{}: {}".format, st.sampled_from(("", "  ", "- ", "  - ")), texts, texts | st.sampled_from(TRAPS))
    | st.sampled_from(("a:", "b: |", "c: |-", "d: |2-", "  - x", "- x", "  x", "    y", "", " ", "---", "...", "e: []")),
    max_size=6,
)
documents = st.builds(lambda rows, end: "\n".join(rows) + end, lines, st.sampled_from(("\n", "\n", "", "\n\n")))


def same(a: object, b: object) -> bool:
    """Equal with types: repr tells 1 from True and from 1.0, and NaN is itself."""
    return repr(a) == repr(b)


def means_the_same_to_loose(text: str, data: dict) -> bool:
    try:
        return same(load_map(text)[0], data)
    except BadFile:
        return "\t" in text  # ruamel refuses some tabs that YAML allows; it must not read them as something else


def check_reads_back(data: dict) -> None:
    text = canon.dumps(data)
    try:
        assert same(canon.loads(text), data)
    except canon.Declined:
        pass
    assert means_the_same_to_loose(text, data)


def check_readers_agree(text: str) -> None:
    try:
        data = canon.loads(text)
    except canon.Declined:
        return
    assert means_the_same_to_loose(text, data)
    assert canon.dumps(data) == text


@given(mappings)
@few
def test_what_is_written_reads_back_the_same(data: dict) -> None:
    check_reads_back(data)


@pytest.mark.long
@given(mappings)
@many
def test_what_is_written_reads_back_the_same_many_times(data: dict) -> None:
    check_reads_back(data)


@given(documents)
@example("---: 1\n")
@example("--- a: 1\n")
@example("...: 1\n")
@example("a: x\u2028b: y\n")
@example("\ufeffa: 1\n")
@few
def test_a_text_taken_by_the_fast_reader_means_the_same_to_the_thorough_one(text: str) -> None:
    check_readers_agree(text)


@pytest.mark.long
@given(documents)
@many
def test_a_text_taken_by_the_fast_reader_means_the_same_to_the_thorough_one_many_times(text: str) -> None:
    check_readers_agree(text)
