"""Files of agents, messages and artifacts: there and back, and what is no such file."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core import kinds
from tbdx.core.entity import BODY_MAX
from tbdx.errors import BadFile

few = settings(max_examples=150, deadline=None, database=None, derandomize=True)
AT = "2026-01-02T03:04:05.678Z"
ULID = "01aaaaaaaaaaaaaaaaaaaaaaaa"
GOOD: dict[str, dict[str, Any]] = {
    "agent": {"type": "agid", "id": f"agid-{ULID}", "version": 1, "name": "Bob", "created_at": AT, "updated_at": AT},
    "message": {
        "type": "ms",
        "id": f"ms-{ULID}",
        "from": "agent:a",
        "to": ["role:x", f"work:is-{ULID}"],
        "recipients": ["agent:b"],
        "created_at": AT,
    },
    "artifact": {
        "type": "ar",
        "id": f"ar-{ULID}",
        "name": "log.txt",
        "digest": "sha256:" + "0a" * 32,
        "media_type": "text/plain",
        "size": 3,
        "where": "git",
        "created_by": "agent:a",
        "created_at": AT,
    },
}
texts = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\r"), max_size=200)


@few
@given(st.sampled_from(sorted(GOOD)), texts, texts)
def test_whatever_a_body_holds_it_comes_back(kind: str, body: str, unknown: str) -> None:
    body = body.rstrip("\n")
    fields = GOOD[kind] | {"x_own": unknown} | ({"body": body} if body.strip() else {})
    text = kinds.render(fields, kind)
    assert kinds.parse(text, kind, fields["id"]) == fields
    assert kinds.render(kinds.parse(text, kind), kind) == text


def test_a_body_may_hold_what_looks_like_a_file_or_like_notes() -> None:
    body = "---\ntype: ms\n---\n## Notes\n\nx"
    assert kinds.parse(kinds.render(GOOD["message"] | {"body": body}, "message"), "message")["body"] == body


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_every_required_field_is_missed(kind: str) -> None:
    assert kinds.problems(GOOD[kind], kind) == []
    for name, holds, _ in kinds.FIELDS[kind]:
        if holds[-1] == "!":
            without = {n: v for n, v in GOOD[kind].items() if n != name}
            assert kinds.problems(without, kind) == [(name, "Required")]


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("agent", "name", "a/b"),
        ("agent", "roles", "reviewer"),
        ("agent", "roles", ["a b"]),
        ("agent", "id", f"is-{ULID}"),
        ("agent", "type", "is"),
        ("message", "from", "mayor"),
        ("message", "from", "agent:Mayor"),
        ("message", "to", []),
        ("message", "to", ["work:proj-1"]),
        ("message", "to", ["agent:a"] * 1_001),
        ("message", "subject", "two\nlines"),
        ("message", "importance", "very"),
        ("message", "ack_required", "yes"),
        ("message", "ack_by", "tomorrow"),
        ("message", "reply_to", f"is-{ULID}"),
        ("message", "thread_id", "with blanks"),
        ("message", "body", "x" * (BODY_MAX + 1)),
        ("artifact", "digest", "sha256:" + "0A" * 32),
        ("artifact", "digest", "../../x"),
        ("artifact", "size", -1),
        ("artifact", "size", True),
    ],
)
def test_a_field_that_breaks_its_rule_is_named(kind: str, name: str, value: object) -> None:
    assert [which for which, _ in kinds.problems(GOOD[kind] | {name: value}, kind)] == ([name] if value != [] else [])


def test_a_file_of_another_name_or_kind_is_refused_with_its_line() -> None:
    text = kinds.render(GOOD["agent"], "agent")
    with pytest.raises(BadFile, match="named agid-x") as caught:
        kinds.parse(text, "agent", "agid-x")
    assert caught.value.line == 3
    with pytest.raises(BadFile):
        kinds.parse(text, "message")
    with pytest.raises(BadFile, match="below the front matter"):
        kinds.parse(text.replace("name: Bob", "name: Bob\nbody: x"), "agent")


@few
@given(st.text(max_size=300) | texts.map(lambda t: f"---\n{t}\n---\n{t}"))
def test_any_text_is_an_entity_or_bad_file(text: str) -> None:
    for kind in GOOD:
        try:
            kinds.parse(text, kind)
        except BadFile as e:
            assert e.reason
