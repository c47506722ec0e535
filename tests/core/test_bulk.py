"""Many lines at once and one by one: the same lines are events, and folds see the same in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from happening import line, made, writer
from tbdx.core import bulk, event
from tbdx.errors import BadFile

few = settings(max_examples=120, deadline=None, database=None, derandomize=True)
many = settings(max_examples=1_500, deadline=None, database=None)
W = writer("a")

odd: Any = st.sampled_from(
    [None, True, False, 0, 1, -1, 1.0, 1.5, -0.0, 1e300, 2**53, 2**53 - 1, 2**64, 10**30, "", "x", "é", "\ud800", "1"]
    + ["work.created", "a..b", [], ["x"], {}, {"a": None}, {"title": 1}, {"work_id": None}, {"agent_id": "agent:a"}]
)
KEYS = [*made(W, 1, 0), "idempotency_key", "said", "zz"]
INNER = [("actor", n) for n in ("agent_id", "session_id")] + [("refs", n) for n in (*event.REFS, "zz")]
INNER += [("body", n) for n in (*event.BODY, "zz", "exit_code")]


@st.composite
def changed(draw: Any) -> bytes:
    """A valid event, with some keys changed, missing, added, twice there, or in another order."""
    given_ = made(W, draw(st.integers(1, 3)), 0, "work.created", body={"title": "t"}, refs={"work_id": "is-1"})
    for key in draw(st.lists(st.sampled_from(KEYS), max_size=2)):
        given_[key] = draw(odd)
    for top, name in draw(st.lists(st.sampled_from(INNER), max_size=2)):
        if isinstance(given_.get(top), dict):
            given_[top] = given_[top] | {name: draw(odd)}
    for key in draw(st.lists(st.sampled_from([*made(W, 1, 0)]), max_size=1)) if draw(st.integers(0, 3)) == 0 else []:
        given_.pop(key, None)
    text = json.dumps(
        given_, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    )
    if draw(st.integers(0, 3)) == 0:  # a key that is there twice
        name, value = draw(st.sampled_from(KEYS)), json.dumps(draw(odd))
        text = draw(st.sampled_from([text[:-1] + f',"{name}":{value}}}', f'{{"{name}":{value},' + text[1:]]))
    if draw(st.integers(0, 3)) == 0:
        old, new = draw(
            st.sampled_from(
                [
                    ("1", "01"),
                    ("1", "1e0"),
                    ("1", "1.0"),
                    ("1", "-0"),
                    ('"v"', '"\\u0076"'),
                    ("is-1", "is\\/1"),
                    ("true", "True"),
                    ("is-1", "\\ud800"),
                    ("is-1", "\\ud83d\\ude00"),
                    ("null", "NaN"),
                    ("1", "Infinity"),
                    ("1", "1e999"),
                    ("t", "\\t"),
                    ("t", "\t"),
                    ("{", "{ \r"),
                    ("}", "},"),
                    ("t", "\\x"),
                    ("t", "\0"),
                    ("{", "[1,2,"),
                    ("}", "}}"),
                    (":", ":\v"),
                    (",", ",,"),
                    ("1", "1_000"),
                    ("1", "1" + "0" * 5000),
                    ("t", "\x7f\u2028"),
                    ("{", "\ufeff{"),
                ]
            )
        )
        text = text.replace(old, new, draw(st.integers(1, 3)))
    raw = text.encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    if draw(st.integers(0, 7)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = (
            raw[:at]
            + draw(st.sampled_from([b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f", b"\0", b"", b'"', b"\r"]))
            + raw[at + 1 :]
        )
    return raw


KEYS_SEEN = ("v", "event_id", "type", "writer", "seq", "prev", "idempotency_key", "said")


def seen(fact: Any) -> Any:
    """Everything that a fold can see of a line. Of `fields` it is only asked whether it is there."""
    if isinstance(fact, BadFile):
        return fact.reason
    out = {
        name: getattr(fact, name)
        for name in ("v", "event_id", "type", "writer", "seq", "prev", "idempotency_key", "said")
    }
    out |= {"agent": fact.actor.agent_id, "work": fact.refs.work_id}
    out |= {name: getattr(fact.body, name) for name in event.BODY if name != "fields"}
    return repr(out | {"fields": fact.body.fields is not None})


def one_by_one(lines: list[bytes]) -> list[Any]:
    out: list[Any] = []
    for raw in lines:
        try:
            out.append(event.Fact(event.parse(raw)))
        except BadFile as e:
            out.append(e)
    return out


def agree(lines: list[bytes]) -> None:
    data = b"".join(raw + b"\n" for raw in lines)
    assert [*map(seen, bulk.facts(data))] == [*map(seen, one_by_one(lines))]


GOOD = line(made(W, 1, 0, "work.created", body={"title": "t"}, refs={"work_id": "is-1"}))


def change(**keys: Any) -> bytes:
    return json.dumps(json.loads(GOOD) | keys).encode()


TRIED = [
    change(body={"fields": None}),
    change(body={"to": None}),
    change(refs={"work_id": None}),
    change(seq=1.0),
    change(v=True),
    change(v=1.0),
    change(seq=2**53),
    change(seq=10**30),
    change(v=10**30),
    change(v=-(10**30)),
    change(idempotency_key=None),
    change(idempotency_key=10**30),
    change(idempotency_key=7),
    change(said=[1]),
    change(body={"name": "\ud800"}),
    change(zz=10**400),
    change(zz=1.5),
    change(refs={"thread_id": 7}),
    change(refs={"thread_id": 0}),
    change(refs={"thread_id": False}),
    change(body={"title": 0}),
    change(body={"title": False}),
    change(body={"title": []}),
    change(writer=f"{W}~01234567"),
    change(event_id="é" * 26),
    change(event_id="8" + "0" * 25),
    change(type="a.é"),
    change(project="\0"),
    change(ts="\ud800"),
    GOOD[:-1] + b',"seq":7}',
    GOOD[:-1] + b',"body":null}',
    GOOD[:-1] + b',"refs":[]}',
    GOOD + b" ",
    b" \t\r" + GOOD,
    b"\x0b" + GOOD,
    GOOD.replace(b'"t"', b"NaN"),
    GOOD.replace(b'"t"', b"-Infinity"),
    GOOD.replace(b"is-1", b"\xff"),
    GOOD.replace(b"is-1", b"\t"),
    GOOD.replace(b'"seq":1', b'"seq":-0'),
    GOOD.replace(b'"seq":1', b'"seq":1e0'),
    GOOD.replace(b'"v":1', b'"v":01'),
    b"",
    b" ",
    b"{}",
    b"null",
    b"[" * 3000,
    GOOD[:-1] + b',"zz":' + b"[" * 3000 + b"]" * 3000 + b"}",
    GOOD[:-1] + b',"zz":1e999}',
    GOOD[:-1] + b',"zz":NaN}',
    GOOD[:-1] + b',"zz":"\xff"}',
    GOOD[:-1] + b',"zz":"\t"}',
    GOOD[:-1] + b',"zz":"\\ud800"}',
    GOOD[:-1] + b',"zz":-}',
    GOOD[:-1] + b',"zz":01}',
    GOOD[:-1] + b',"zz":1.}',
    GOOD[:-1] + b',"zz":"\\x"}',
    GOOD[:-1] + b',"\xff":1}',
    GOOD[:-1] + b',"zz":' + b"1" * 5000 + b"}",
    GOOD[:-1] + b',"zz":"\\udc00\\ud800"}',
    GOOD[:-1] + b',"zz":"\xed\xa0\x80"}',
]


@pytest.mark.parametrize("raw", TRIED, ids=range(len(TRIED)))
def test_an_odd_line_is_read_alike_alone_and_among_good_ones(raw: bytes) -> None:
    agree([raw])
    agree([GOOD, raw, GOOD])


@few
@given(st.lists(changed(), min_size=1, max_size=3))
@example([GOOD, GOOD[:-1]])
@example([GOOD[:10], GOOD[10:]])
@example([GOOD + GOOD])
@example([b"", GOOD])
def test_any_lines_are_read_alike_many_at_once_and_one_by_one(lines: list[bytes]) -> None:
    agree(lines)


@few
@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), max_size=3))
def test_bytes_of_no_meaning_are_told_alike(lines: list[bytes]) -> None:
    agree([*lines, GOOD])


@pytest.mark.long
@many
@given(st.lists(changed(), min_size=1, max_size=3))
def test_any_lines_are_read_alike_at_length(lines: list[bytes]) -> None:
    agree(lines)


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_line_at_the_limit_is_read_alike(extra: int) -> None:
    at = GOOD.index(b'"t"') + 1
    raw = GOOD[:at] + b"x" * (event.LONGEST - len(GOOD) - 1 + extra) + GOOD[at:]
    assert len(raw) == event.LONGEST - 1 + extra
    agree([raw])
    agree([GOOD, raw, GOOD])
    assert isinstance(bulk.facts(raw + b"\n")[0], BadFile) == (extra > 0)
