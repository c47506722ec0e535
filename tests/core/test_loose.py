"""Hand-made YAML: core-schema values, the right line for every complaint, and nothing that runs or explodes."""

import math
import time
from itertools import pairwise

import pytest

from tbdx.core.loose import load_map
from tbdx.errors import BadFile


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00", "2026-01-01 00:00:00"),
        ("=", "="),
        ("<<", "<<"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0b11", "0b11"),
        ("0o8", "0o8"),
        ("+0x1", "+0x1"),
        ("0x", "0x"),
        ("1e", "1e"),
        ("infinity", "infinity"),
        ("nan", "nan"),
        ("Nan", "Nan"),
        ("tRue", "tRue"),
        ("'1'", "1"),
        ('"null"', "null"),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("True", True),
        ("FALSE", False),
        ("010", 10),
        ("+5", 5),
        ("-5", -5),
        ("0o7", 7),
        ("0x1F", 31),
        ("12345678901234567890", 12345678901234567890),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("123e4567", math.inf),
        ("-.INF", -math.inf),
        ("9" * 5_000, "9" * 5_000),
        ("0x" + "f" * 5_000, "0x" + "f" * 5_000),
    ],
)
def test_a_plain_value_is_what_the_core_schema_says(text: str, value: object) -> None:
    for data in (load_map(f"k: {text}\n")[0]["k"], load_map(f"k: [{text}]\n")[0]["k"][0] if text else value):
        assert data == value
        assert type(data) is type(value)


def test_not_a_number_is_one() -> None:
    assert math.isnan(load_map("k: .nan\n")[0]["k"])


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n"])
def test_nothing_is_an_empty_mapping(text: str) -> None:
    assert load_map(text) == ({}, {})


def test_every_key_of_the_top_has_its_line() -> None:
    text = "# c\na: 1\n\nb:\n  c: |\n    x\n    y\n'd e': [1,\n 2]\nf: >\n  x\n"
    assert load_map(text, first_line=2)[1] == {"a": 3, "b": 5, "d e": 9, "f": 11}


@pytest.mark.parametrize("c", ["\t", "\x85", "\u2028", "\u2029", "\x7f", "\xa0", "\ue000", "\U0001f600"])
def test_a_character_inside_a_value_is_kept(c: str) -> None:
    text = f'a: x{c}y\nb: \'x{c}y\'\nc: "x{c}y"\nd: |\n  x{c}y\nx{c}y: 1\ne: "\\uE000\\N\\L\\P"\n'
    data, lines = load_map(text)
    assert data == {**dict.fromkeys("abc", f"x{c}y"), "d": f"x{c}y\n", f"x{c}y": 1, "e": "\ue000\x85\u2028\u2029"}
    assert lines == {"a": 1, "b": 2, "c": 3, "d": 4, f"x{c}y": 6, "e": 7}


@pytest.mark.parametrize("text", ["a:\tx\n", "a: x\t# c\n", "a: x\t\n", "a:\n  -\tx\n"])
def test_a_tab_that_separates_is_refused_not_taken_for_text(text: str) -> None:
    with pytest.raises(BadFile):
        load_map(text)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: !!python/object:os.system x\n", 2, "YAML tag"),
        ("a: 1\nb: !x [1]\n", 2, "YAML tag"),
        ("a: 1\nb: &x [1]\nc: *x\n", 2, "anchors and aliases"),
        ("a: 1\nb: *x\n", 2, "anchors and aliases"),
        ("a: 1\n&x b: 1\n", 2, "must be plain text"),
        ("a: 1\n? [x]\n: 1\n", 2, "must be plain text"),
        ("a: 1\nb: 2\na: 3\n", 3, "a: given twice, first in line 1"),
        ("a:\n  b: 2\n  b: 3\n", 3, "b: given twice, first in line 2"),
        ("a: 1\n'a': 3\n", 2, "a: given twice"),
        ("- a\n", 1, "expected `key: value` lines"),
        ("text\n", 1, "expected `key: value` lines"),
        ("a: 1\n---\nb: 2\n", 2, "a second YAML document"),
        ("a: 1\nb\n", 3, "expected `key: value`"),
        ("a: 1\nb: 'x\n", 3, "unexpected end"),
        ("a: 1\nb: [x\n", 3, ""),
        ("a: 1\n\tb: 2\n", 2, ""),
        ("a: 1\nb: x\x07\n", 2, "control character"),
        ("a: 1\nb: x\ry\n", 2, "control character"),
        ("\ufeffa: 1\n", 1, "byte order mark"),
        ("a: 1\nb: @x\n", 2, ""),
    ],
)
def test_bad_yaml_names_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(BadFile) as e:
        load_map(text)
    assert reason in e.value.reason
    assert e.value.line == line
    with pytest.raises(BadFile) as later:
        load_map(text, first_line=11)
    assert later.value.line == line + 10


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 100_000 + "\n",
        "a: " + "{a: " * 100_000 + "\n",
        "[" * 100_000,
        "a:\n" + "- " * 100_000 + "x\n",
        "".join(" " * n + "a:\n" for n in range(1_400)),
        "a: &a [x]\n" + "".join(f"{b}: &{b} [" + f"*{a}," * 9 + "]\n" for a, b in pairwise("abcdefghi")),
    ],
    ids=["lists", "maps", "top", "dashes", "blocks", "bomb"],
)
def test_what_would_explode_is_refused_at_once(text: str) -> None:
    load_map("a: 'x'\n")  # the first call pays for imports
    started = time.process_time()
    with pytest.raises(BadFile):
        load_map(text)
    limit_s = 0.05 if text[:4] == "a: &" else 1
    assert time.process_time() - started < limit_s


def test_20_levels_are_not_too_deep() -> None:
    assert load_map("a: " + "[" * 19 + "x" + "]" * 19)[0]
    with pytest.raises(BadFile, match="nested deeper than 20 levels"):
        load_map("a: " + "[" * 20 + "x" + "]" * 20)


def test_two_escapes_for_one_character_are_one() -> None:
    assert load_map('a: "\\ud83d\\ude00"\n')[0] == {"a": "\U0001f600"}
    with pytest.raises(BadFile, match="half a surrogate pair"):
        load_map('a: "\\ude00\\ud83d"\n')
