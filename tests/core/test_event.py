"""Events: ids that only rise, names of writers that are safe anywhere, lines, filters and limits."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from happening import T0, line, made, writer
from tbdx.core import event
from tbdx.errors import BadFile, Invalid

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
W = writer("a")
MOST = 2**80 - 1

# ids


@few
@given(st.lists(st.tuples(st.integers(-5, 5), st.sampled_from([0, 1, 7, MOST - 1, MOST])), max_size=12))
def test_ids_of_one_writer_strictly_rise_whatever_the_clock_does(steps: list[tuple[int, int]]) -> None:
    now, last = T0, ""
    for step, chance in steps:
        now += step
        new = event.next_id(now, chance, last)
        assert event.is_id(new) and new > last and (event.ms_of(new) >= now)
        last = new


def test_an_id_is_of_its_millisecond_and_by_chance() -> None:
    assert event.next_id(T0, 5) == event.least_id(T0)[:-1] + "5"
    assert event.next_id(T0 + 1, 5, event.next_id(T0, MOST)) == event.least_id(T0 + 1)[:-1] + "5"


def test_within_one_millisecond_the_random_part_is_incremented() -> None:
    first = event.next_id(T0, 1000)
    second = event.next_id(T0, 3, first)
    assert second == event.next_id(T0, 1001) and event.ms_of(second) == T0


def test_after_a_later_id_the_next_one_is_one_more_than_that() -> None:
    late = event.next_id(T0 + 60_000, 41)
    assert event.next_id(T0, 7, late) == event.next_id(T0 + 60_000, 42)


def test_a_full_random_part_goes_over_into_the_next_millisecond() -> None:
    assert event.next_id(T0, 7, event.next_id(T0, MOST)) == event.least_id(T0 + 1)


@few
@given(st.integers(0, 2**48 - 2), st.integers(0, MOST))
def test_the_order_of_ids_is_that_of_time_and_then_of_chance(ms: int, chance: int) -> None:
    made_ = event.next_id(ms, chance)
    assert event.is_id(made_) and event.ms_of(made_) == ms
    assert event.least_id(ms) <= made_ < event.least_id(ms + 1)


@pytest.mark.parametrize(
    "text", [None, 1, "", "01JXT", "8" + "0" * 25, "0" * 27, "01jxt7d5r0000000000000000a", "I" * 26, "0" * 25 + "é"]
)
def test_what_is_no_id_is_known(text: object) -> None:
    assert not event.is_id(text)


# writers

NAMES = [
    "con",
    "nul",
    "COM1",
    "a/b",
    "..",
    ".",
    "",
    "x" * 300,
    "Bob",
    "é",
    "e\u0301",
    "agent:z",
    "-a-",
    "a~b",
    "-",
    "日本",
    "a b.c",
]
NAMES += ["\u202e", "a\0b", "~", "aux.txt", "İ", "ſ", "K"]


@pytest.mark.parametrize("name", NAMES)
def test_a_writers_name_is_safe_as_a_file_name_whatever_the_agent_is_called(name: str) -> None:
    made_ = event.new_writer(name, bytes(range(9)))
    assert event.is_writer(made_) and made_.isascii() and made_ == made_.lower()
    assert not set(made_) - set("abcdefghijklmnopqrstuvwxyz0123456789-~") and len(made_) <= 54
    assert event.base_writer(made_) == made_
    # `con` is a device on Windows, and `con.jsonl` too: what follows the tilde makes it another name
    assert made_.partition(".")[0] not in ("con", "nul", "com1", "aux")


def test_names_that_differ_in_case_or_form_have_one_slug_and_the_chance_keeps_writers_apart() -> None:
    assert event.writer_slug("Bob") == event.writer_slug("bob") == event.writer_slug("agent:bob") == "bob"
    assert event.new_writer("Bob", bytes(9)) != event.new_writer("bob", bytes(8) + b"\1")
    for form in ("NFC", "NFD"):
        assert event.is_writer(event.new_writer(unicodedata.normalize(form, "Zoë"), bytes(9)))


@few
@given(st.text(max_size=60), st.binary(min_size=9, max_size=12))
def test_every_new_writer_is_one(name: str, chance: bytes) -> None:
    assert event.is_writer(event.new_writer(name, chance))


@few
@given(st.integers(0, 2**65 - 1), st.integers(0, 2**65 - 1))
def test_writers_differ_in_every_bit_of_65_of_chance(a: int, b: int) -> None:
    of = [event.new_writer("x", n.to_bytes(9, "big")) for n in (a, b)]
    assert (of[0] == of[1]) == (a == b)


@pytest.mark.parametrize(
    "name",
    [
        None,
        "",
        "a",
        "a~",
        "~0123456789abc",
        "a~0123456789ab",
        "a~0123456789abcd",
        "A~0123456789abc",
        "a~0123456789abI",
        "-a~0123456789abc",
        "a/b~0123456789abc",
        "../x~0123456789abc",
        "é~0123456789abc",
        "a~0123456789abc~",
        "a" * 41 + "~0123456789abc",
        "a~0123456789abc~1234567",
        "a~0123456789abc~1234567G",
        "a~0123456789abc~12345678~12345678",
        "a~0123456789abc\n",
        "a.b~0123456789abc",
    ],
)
def test_what_is_no_writers_name_is_known(name: object) -> None:
    assert not event.is_writer(name)


def test_a_forks_name_tells_whose_it_is() -> None:
    fork = f"{W}~0123abcd"
    assert event.is_writer(fork) and event.base_writer(fork) == W


# lines

values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@few
@given(
    st.dictionaries(st.sampled_from(["n", "tags", "é"]), values, max_size=3).filter(encodable),
    st.dictionaries(st.sampled_from(["zz", "new", "a b"]), values, max_size=3).filter(encodable),
)
def test_a_rendered_event_is_read_back_as_it_was(body: Any, more: Any) -> None:
    given_ = made(W, 1, 0, body=body, idempotency_key="k") | more
    raw = line(given_)
    assert event.parse(raw) == given_ == json.loads(raw)
    assert line(event.parse(raw)) == raw and b"\n" not in raw


def test_a_line_has_the_known_keys_first_and_in_order_and_then_the_unknown_ones() -> None:
    given_ = {"zz": 1, "body": {}, "aa": 2, "idempotency_key": "k"} | made(W, 1, 0)
    names = "v event_id ts project type writer seq prev actor refs idempotency_key body zz aa"
    assert [*json.loads(line(given_))] == names.split()


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_line_of_256_kib_is_an_event_and_one_byte_more_is_none(extra: int) -> None:
    empty = len(event.render(made(W, 1, 0, body={"n": ""})))
    given_ = made(W, 1, 0, body={"n": "x" * (event.LONGEST - empty + extra)})
    if extra > 0:
        with pytest.raises(Invalid, match="262145 bytes; 262144 are the most"):
            event.render(given_)
        with pytest.raises(BadFile, match="262145 bytes; 262144 are the most"):
            event.parse(json.dumps(given_, separators=(",", ":")).encode())
    else:
        raw = event.render(given_)
        assert len(raw) == event.LONGEST + extra and event.parse(raw[:-1]) == given_


def test_the_limit_counts_bytes_and_not_characters() -> None:
    with pytest.raises(Invalid, match="are the most"):
        event.render(made(W, 1, 0, body={"n": "é" * (event.LONGEST // 2)}))


def test_half_a_character_cannot_be_written() -> None:
    with pytest.raises(Invalid, match="lone surrogate"):
        event.render(made(W, 1, 0, body={"n": "\ud800"}))


DAMAGE: list[tuple[dict[str, Any], str]] = [
    ({"v": None}, "v: missing"),
    ({"v": "1"}, "v: not an integer"),
    ({"v": True}, "v: not an integer"),
    ({"event_id": "x"}, "event_id: not a ULID"),
    ({"ts": 5}, "ts: not a string"),
    ({"type": "created"}, "type: not words"),
    ({"type": "a..b"}, "type: not words"),
    ({"type": "Work.Created"}, "type: not words"),
    ({"type": "a." + "b" * 79}, "type: not words"),
    ({"writer": "x"}, "writer: not"),
    ({"writer": f"{W}~01234567"}, "writer: not"),  # what a reader calls a fork; no line has such a name
    ({"seq": 0}, "seq: counts from 1"),
    ({"seq": 2**53}, "seq: counts from 1"),
    ({"seq": 1.0}, "seq: not an integer"),
    ({"prev": 7}, "prev: not a string"),
    ({"actor": {}}, "actor.agent_id"),
    ({"actor": {"agent_id": 7}}, "actor.agent_id"),
    ({"refs": []}, "refs: not an object"),
    ({"refs": {"work_id": 7}}, "refs.work_id: not a string"),
    ({"body": "x"}, "body: not an object"),
    ({"body": {"title": 7}}, "body.title: not a string"),
]


@pytest.mark.parametrize(("change", "reason"), DAMAGE, ids=[r for _, r in DAMAGE])
def test_a_damaged_envelope_is_told_with_the_key_that_is_wrong(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadFile) as e:
        event.parse(json.dumps(made(W, 1, 0) | change).encode())
    assert reason in e.value.reason


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{} {}", "more than one value"),
        (b'{"v":NaN}', "not JSON"),
        (b'{"v":1e999}', "v: not an integer"),
        (b'{"v":"\xff"}', "not UTF-8 at byte 7"),
        (b'{"a":' * 50_000, "not JSON|too deep"),
        (b"[" * 200_000, "too deep"),
    ],
)
def test_what_is_no_event_is_told_and_never_crashes(raw: bytes, reason: str) -> None:
    with pytest.raises(BadFile, match=reason):
        event.parse(raw)


def test_an_event_of_a_version_to_come_is_one_and_keeps_what_we_do_not_know() -> None:
    given_ = made(W, 1, 0, "work.dreamed", v=2, new={"x": [1]})
    assert event.parse(line(given_)) == given_


# drafts


@pytest.mark.parametrize(
    ("type_", "refs", "body", "reason"),
    [
        (None, {}, {}, "not an event type"),
        ("word", {}, {}, "not an event type"),
        ("agent.heartbeat", {}, {}, "on streams only"),
        ("bus.bookmark", {}, {"cursor": "c"}, "on streams only"),
        ("x.y", [], {}, "refs: an object of strings"),
        ("x.y", {"work_id": None}, {}, "refs: an object of strings"),
        ("x.y", {}, [], "body: a JSON object"),
        ("work.created", {"work_id": "is-1"}, {}, "body.title: missing"),
        ("work.created", {"work_id": "is-1"}, {"title": 1}, "body.title: not a string"),
        ("work.created", {}, {"title": "t"}, "refs.work_id: missing"),
        ("run.failed", {"run_id": "r"}, {"reason": "x", "retryable": 1}, "body.retryable: not true or false"),
        ("run.completed", {"run_id": "r"}, {"exit_code": True}, "body.exit_code: not an integer"),
        ("msg.sent", {"message_id": "m"}, {"to": "all"}, "body.to: not a list"),
        ("work.updated", {"work_id": "is-1"}, {"fields": []}, "body.fields: not an object"),
    ],
)
def test_a_draft_that_no_event_can_be_made_of_is_refused(
    type_: object, refs: object, body: object, reason: str
) -> None:
    with pytest.raises(Invalid, match=reason):
        event.check_draft(type_, refs, body)


@pytest.mark.parametrize("name", [n for n in event.TYPES if n not in event.STREAM_ONLY])
def test_every_known_type_can_be_drafted_with_what_it_requires_and_not_with_less(name: str) -> None:
    required, ref, _ = event.TYPES[name]
    some = {"text": "x", "int": 1, "number": 1.5, "flag": False, "map": {}, "list": []}
    body = {n: some[kind] for n, kind in (spec.split(":") for spec in required.split())}
    refs = {ref: "x"} if ref else {}
    event.check_draft(name, refs, body)
    for missing in body:
        with pytest.raises(Invalid, match=f"body.{missing}: missing"):
            event.check_draft(name, refs, {n: v for n, v in body.items() if n != missing})


@pytest.mark.parametrize("levels", [30, 31, 32])
def test_a_body_is_at_most_31_deep(levels: int) -> None:
    body: Any = {}
    for _ in range(levels - 1):
        body = {"a": body}
    if levels > 31:
        with pytest.raises(Invalid, match="31 deep"):
            event.check_draft("x.y", {}, body)
    else:
        event.check_draft("x.y", {}, body)


def test_unknown_types_can_be_drafted() -> None:
    event.check_draft("my.own.thing_2", {"any": "thing"}, {"x": 1})


# filters


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("work.*", ["work.created"], ["work.a.b", "msg.sent", "work"]),
        ("*.created", ["work.created", "artifact.created"], ["work.closed"]),
        ("**", ["work.created", "a.b.c"], []),
        ("work.**", ["work.created", "work.a.b", "work"], ["works.a"]),
        ("**.end", ["a.end", "a.b.end", "end"], ["a.end.b"]),
        ("a.**.z", ["a.z", "a.b.z", "a.b.c.z"], ["a.b"]),
        ("work.created", ["work.created"], ["work.created2", "work"]),
        ("*", ["a"], ["a.b"]),
    ],
)
def test_a_star_is_one_word_and_two_are_any_number(pattern: str, fits: list[str], not_: list[str]) -> None:
    assert [t for t in fits if not event.globbed(pattern, t)] == []
    assert [t for t in not_ if event.globbed(pattern, t)] == []


words = st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=4)


@few
@example(["**", "**", "a"], ["a"])
@given(words, st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=5))
def test_globs_match_as_the_regular_expression_that_they_stand_for(pattern: list[str], text: list[str]) -> None:
    import re

    ways = {"*": "(?:[ab],)", "**": "(?:[ab],)*", "a": "a,", "b": "b,"}
    expected = re.fullmatch("".join(ways[p] for p in pattern), "".join(t + "," for t in text)) is not None
    assert event.globbed(".".join(pattern), ".".join(text)) == expected


def test_of_each_filter_that_is_given_one_value_must_fit() -> None:
    given_ = made(W, 1, 0, "work.created", refs={"work_id": "is-1", "thread_id": "th-1"})
    given_["actor"] = {"agent_id": "agent:a", "session_id": "s"}
    fits = {
        "type": "work.*",
        "agent": "a",
        "session": "s",
        "work": "is-1",
        "thread": "th-1",
        "project": "github.com/o/r",
    }
    assert set(fits) == set(event.FILTERS)
    for name, value in fits.items():
        assert event.wanted(given_, {name: (value,)}) and event.wanted(given_, {name: ("other", value)})
        assert not event.wanted(given_, {n: (v if n != name else "other",) for n, v in fits.items()})
    assert event.wanted(given_, {n: (v,) for n, v in fits.items()}) and event.wanted(given_, {"agent": ("agent:a",)})
    assert event.wanted(given_, {}) and event.wanted(given_, {"type": ()})
    assert not event.wanted(made(W, 1, 0), {"session": ("s",)})
