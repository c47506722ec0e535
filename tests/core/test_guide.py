"""The texts for agents: constant, short, complete; the block in AGENTS.md comes and goes without a trace."""

import hashlib
import re

import pytest

from tbdx.cli.table import COMMANDS
from tbdx.core import guide
from tbdx.errors import BadFile

TEXTS = ("PRIME", "NOT_SET_UP", "CLOSING", "SKILL", "BLOCK")
FOREIGN = b"# Rules\n\n<!-- BEGIN TBD INTEGRATION -->\nrun tbd prime\n<!-- END TBD INTEGRATION -->\n\nMore.\n"
FILES = [b"", b"\n", b"a", b"a\n", b"a\n\n", b"a\r\n", b"a\r\nb", b"\xff\xfe odd bytes\n", b"tail\n\n\n", FOREIGN]


def tokens(text: str) -> float:
    """A generous guess: models split prose in more pieces than words, and code in more than fours."""
    return max(len(text.split()) * 1.4, len(text) / 4)


def test_prime_leaves_room_for_the_live_part_below_1500_tokens():
    assert tokens(guide.PRIME + guide.NOT_SET_UP) < 1400
    assert tokens(guide.SKILL) < 1500
    assert tokens(guide.CLOSING) < 300


def test_the_fixed_texts_are_constant_bytes():
    """A change of these texts is a change of what agents do: whoever makes it changes this line too."""
    digest = hashlib.sha256("\0".join(getattr(guide, name) for name in TEXTS).encode()).hexdigest()
    assert digest[:16] == "f7029f88b971fddb"


@pytest.mark.parametrize("word", ["ready", "start", "close", "sync", "create", "dep add", "search", "show", "edit"])
def test_prime_teaches_the_main_commands(word: str):
    assert f"tbdx {word}" in guide.PRIME


@pytest.mark.parametrize("part", ["--depends-on", "--parent", "--json", "several ids", "`-` reads stdin", "Exit codes"])
def test_prime_teaches_what_programs_need(part: str):
    assert part in guide.PRIME


@pytest.mark.parametrize("verb", ["list", "show", "restore"])
def test_prime_says_what_to_do_after_a_conflict(verb: str):
    assert f"tbdx attic {verb}" in guide.PRIME


def test_every_command_and_option_in_the_texts_exists():
    text = "".join(getattr(guide, name) for name in TEXTS)
    words = {name.split(" ")[0] for name in COMMANDS}
    assert set(re.findall(r"tbdx ([a-z]+)[ `\n]", text)) <= words
    known = {way for _, _, _, options in COMMANDS.values() for _, ways, _, _ in options for way in ways}
    known |= {"--json", "--dry-run", "--help"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= known


def test_the_skill_has_front_matter_with_name_and_description():
    import frontmatter

    fields, body = frontmatter.parse(guide.SKILL)
    assert fields["name"] == "tbdx"
    assert 40 < len(fields["description"]) < 1024
    assert body.endswith(guide.PRIME.rstrip())


@pytest.mark.parametrize("old", FILES)
def test_the_block_comes_and_goes_without_a_trace(old: bytes):
    new = guide.with_block(old)
    assert new != old
    assert guide.with_block(new) == new
    assert guide.without_block(new) == old


def test_the_block_takes_the_line_ends_of_the_file():
    new = guide.with_block(b"a\r\n")
    assert new.count(b"\n") == new.count(b"\r\n")


def test_an_older_block_is_replaced_where_it_stands():
    old = b"above\n<!-- BEGIN TBDX (v0) -->\nold words\n<!-- END TBDX -->\nbelow\n"
    new = guide.with_block(old)
    assert new == b"above\n" + guide.BLOCK.encode() + b"\nbelow\n"
    assert guide.without_block(new) == b"above\nbelow\n"


def test_tbds_own_block_is_nobodys_business_of_ours():
    assert guide.without_block(FOREIGN) == FOREIGN
    assert guide.with_block(FOREIGN).startswith(FOREIGN)


@pytest.mark.parametrize(
    ("damaged", "line"),
    [
        (b"a\n<!-- BEGIN TBDX x -->\nb\n", 2),
        (b"a\n<!-- END TBDX -->\n", 2),
        (b"<!-- END TBDX -->\n<!-- BEGIN TBDX x -->\n", 2),
        (b"<!-- BEGIN TBDX x -->\n<!-- BEGIN TBDX y -->\n<!-- END TBDX -->\n", 2),
    ],
)
def test_marks_that_do_not_pair_are_named_and_left(damaged: bytes, line: int):
    for change in (guide.with_block, guide.without_block):
        with pytest.raises(BadFile) as e:
            change(damaged)
        assert e.value.line == line
