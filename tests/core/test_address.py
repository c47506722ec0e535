"""Addresses: what is one, what a name can be, and whom a message reaches."""

import pytest

from tbdx.core import actor, address
from tbdx.errors import Invalid

AGENTS = {
    "agent:ann": {"roles": ["reviewer", "Tester"], "groups": ["core"]},
    "agent:ben": {"roles": ["reviewer"]},
    "agent:old": {"roles": ["reviewer"], "retired_at": "2026-01-01T00:00:00.000Z"},
}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("bob", "agent:bob"),
        ("agent:Bob", "agent:bob"),
        ("AGENT:bob", "agent:bob"),
        ("human:Ann.Lee", "human:ann.lee"),
        ("role:reviewer", "role:reviewer"),
        ("group:core_2", "group:core_2"),
        ("claude-code@host", "agent:claude-code@host"),
        ("all", "all"),
        ("All", "all"),
        ("work:proj-ab12", "work:proj-ab12"),
        ("con", "agent:con"),  # never a file name of its own
        ("a" * 64, "agent:" + "a" * 64),
    ],
)
def test_an_address_as_it_is_typed_and_as_it_is_kept(text: str, kept: str) -> None:
    assert address.parse(text) == kept


@pytest.mark.parametrize(
    "text",
    ["", " ", "agent:", "a/b", "..", "../x", ".", "-x", "a b", "a\nb", "josé", "jose\u0301", "a" * 65, "a" * 300]
    + ["mail:bob", "agent:a:b", "b\u00f6b", "a\0", "\u202ebob", "a,b", "@x", "_x"],
)
def test_what_is_no_address_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        address.parse(text)
    assert caught.value.hint


def test_the_refusal_says_what_would_be_a_name() -> None:
    with pytest.raises(Invalid) as caught:
        address.parse("agent:a/b")
    assert "a-b" in (caught.value.hint or "")


def test_roles_and_groups_are_those_of_agents_that_are_not_retired_but_for_the_sender() -> None:
    def reached(*to: str, sender: str = "agent:x") -> list[str]:
        return address.expand(to, AGENTS, sender, {"work:is-1": {"agent:ben", "agent:x"}})

    assert reached("role:reviewer") == ["agent:ann", "agent:ben"]
    assert reached("role:tester") == ["agent:ann"]
    assert reached("role:reviewer", sender="agent:ann") == ["agent:ben"]
    assert reached("group:core", "agent:ann", "role:reviewer") == ["agent:ann", "agent:ben"]
    assert reached("role:nobody") == []
    assert reached("agent:old") == ["agent:old"]  # by name it is kept for it
    assert reached("work:is-1", "human:h", "all") == ["agent:ben", "human:h", "all"]
    assert reached("agent:x") == ["agent:x"]  # a note to oneself


@pytest.mark.parametrize(
    ("nfc", "nfd"), [("jos\u00e9", "jose\u0301"), ("\u00c5sa", "A\u030asa"), ("\ud55c", "\u1112\u1161\u11ab")]
)
def test_one_name_however_its_accents_are_written(nfc: str, nfd: str) -> None:
    assert actor.slug(nfc) == actor.slug(nfd)


def test_a_long_name_is_cut_and_two_of_them_stay_two() -> None:
    one, two = actor.slug("a" * 300), actor.slug("a" * 301)
    assert len(one) == len(two) == actor.LONGEST and one != two and address.is_name(one)
    assert actor.slug("a" * actor.LONGEST) == "a" * actor.LONGEST


def test_a_session_is_ours_before_the_harnesss_own() -> None:
    assert actor.session_of({"CODEX_THREAD_ID": "c", "TBDX_SESSION": "t"}) == "t"
    assert actor.session_of({"CLAUDE_SESSION_ID": "c"}) == "c" and actor.session_of({"TBDX_SESSION": ""}) is None
