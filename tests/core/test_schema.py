"""JSON Schemas of events, made from the table of types."""

from __future__ import annotations

import re

import pytest

from happening import made, writer
from tbdx.core import event, schema
from tbdx.errors import NotFound


@pytest.mark.parametrize("name", event.TYPES)
def test_every_type_has_a_schema_that_asks_for_what_validation_asks_for(name: str) -> None:
    found = schema.schema(name)
    required, ref, _ = event.TYPES[name]
    names = [spec.partition(":")[0] for spec in required.split()]
    assert found["properties"]["type"] == {"const": name} and found["title"] == name
    body = found["properties"]["body"]
    assert body["required"] == names == [*body["properties"]] and {"type"} == set().union(
        *map(set, body["properties"].values()), {"type"}
    )
    assert found["properties"]["refs"].get("required", []) == ([ref] if ref else [])
    assert ("on streams only" in found.get("description", "")) == (name in event.STREAM_ONLY)
    assert "additionalProperties" not in found and "additionalProperties" not in body  # unknown keys are taken


def test_the_envelope_asks_for_the_keys_that_damage_asks_for() -> None:
    found = schema.envelope()
    good = made(writer("a"), 1, 0)
    assert set(found["required"]) == set(good)
    for name in found["required"]:
        assert event.damage({n: v for n, v in good.items() if n != name}) == f"{name}: missing"


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("event_id", ["0" * 26, "7" + "Z" * 25], ["8" + "0" * 25, "0" * 25, "i" * 26, "0" * 25 + "U"]),
        ("type", ["a.b", "work.cancel_requested"], ["a", "a..b", "A.b", ".a", "a.", "a-b.c"]),
        ("writer", [writer("a"), writer("x" * 60)], ["a", "-a~0123456789abc", f"{writer('a')}~01234567"]),
    ],
)
def test_the_patterns_say_what_the_code_says(name: str, right: list[str], wrong: list[str]) -> None:
    pattern = schema.envelope()["properties"][name]["pattern"]
    for texts, good in ((right, True), (wrong, False)):
        for text in texts:
            assert (re.search(pattern, text) is not None) == good, text
            assert (event.damage(made(writer("a"), 1, 0) | {name: text}) is None) == good, text


def test_an_unknown_type_has_no_schema_and_two_schemas_share_nothing() -> None:
    with pytest.raises(NotFound, match="no event type x.y"):
        schema.schema("x.y")
    schema.schema("work.created")["properties"]["refs"]["required"] = ["zz"]
    assert "required" not in schema.envelope()["properties"]["refs"]
