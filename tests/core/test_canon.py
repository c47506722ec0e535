"""The fast YAML form: what it writes it reads back, and what it takes means the same to the thorough reader."""

from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tbdx.core import canon
from tbdx.core.loose import load_map
from tbdx.errors import BadFile

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
many = settings(max_examples=2_500, deadline=None, database=None)

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
    | st.sampled_from(
        ("a:", "b: |", "c: |-", "d: |2-", "  - x", "- x", "  x", "    y", "", " ", "---", "...", "e: []")
    ),
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
    with suppress(canon.Declined):
        assert same(canon.loads(text), data)
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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("yes", "yes"),
        ("2026-01-01", "2026-01-01"),
        ('it\'s "quoted"', 'it\'s "quoted"'),
        ("star * and & amp", "star * and & amp"),
        ("12345", '"12345"'),
        ("null", '"null"'),
        ("colon: in title", '"colon: in title"'),
        ("ends with colon:", '"ends with colon:"'),
        ("# hash first", '"# hash first"'),
        ("{brace}", '"{brace}"'),
        (" leading and trailing ", '" leading and trailing "'),
        ('"quoted"', "'\"quoted\"'"),
        ("", '""'),
        ("123e4567", '"123e4567"'),
        ("a\nb", "|-\n  a\n  b"),
        ("a\n\n", "|+\n  a\n"),
        ([], "[]"),
        ({}, "{}"),
        (None, "null"),
        (True, "true"),
        (-0.5, "-0.5"),
        (2.0, "2"),
        (1e-7, "1e-7"),
        (1.5e-5, "0.000015"),
        (1.25e20, "125000000000000000000"),
        (1e21, "1e+21"),
    ],
)
def test_values_are_written_as_tbd_writes_them(value: object, text: str) -> None:
    assert canon.dumps({"k": value}) == f"k: {text}\n"


@pytest.mark.parametrize("key", ["---", "...", "---\\", '...a"b', "\ufeffx"])
def test_a_key_that_would_end_the_document_is_quoted(key: str) -> None:
    assert load_map(canon.dumps({key: 1}))[0] == {key: 1}


def test_what_is_nested_deeper_than_the_thorough_reader_goes_is_declined() -> None:
    for depth in (19, 20, 21, 900):
        text = "".join("  " * n + "a:\n" for n in range(depth)) + "  " * depth + "b: 1\n"
        if depth < 20:
            assert same(canon.loads(text), load_map(text)[0])
            continue
        with pytest.raises(canon.Declined):
            canon.loads(text)
        with pytest.raises(BadFile, match="nested deeper than 20 levels"):
            load_map(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: 1",
        "a:  1\n",
        "a: 'x'\n",
        "a: 1 # c\n",
        "# c\na: 1\n",
        "a: [x]\n",
        "a: 01\n",
        "a: 1\na: 2\n",
        "a: 1\r\n",
        "a: ~\n",
    ],
)
def test_any_other_form_is_declined(text: str) -> None:
    with pytest.raises(canon.Declined):
        canon.loads(text)


@given(st.floats(allow_nan=False))
@few
def test_a_number_keeps_its_value(value: float) -> None:
    assert float(load_map(canon.dumps({"n": value}))[0]["n"]) == value
