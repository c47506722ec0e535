"""CloudEvents both ways, without loss."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from core.test_bulk import changed
from happening import ISSUE, line, made, writer
from tbdx.core import cloudevents, event
from tbdx.core.jsontext import safe_dumps
from tbdx.errors import BadFile

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
GOOD = made(writer("a"), 1, 0, "work.created", refs={"work_id": ISSUE}, body={"title": "t"})


def there_and_back(raw: bytes) -> Any:
    made_ = cloudevents.to_cloud(event.parse(raw), raw)
    sent = json.loads(safe_dumps(made_, None))  # as it goes over a wire
    assert sent["specversion"] == "1.0" and all(isinstance(sent[n], str) and sent[n] for n in ("id", "source", "type"))
    assert all(isinstance(sent.get(n, ""), str) for n in ("subject", "time", "datacontenttype"))
    assert all(n.isalnum() and n.islower() and n.isascii() for n in sent)  # names of attributes: CloudEvents 1.0, 3.1
    return cloudevents.from_cloud(sent)


@pytest.mark.parametrize(
    "raw",
    [
        line(GOOD),
        line(GOOD | {"zz": 1, "idempotency_key": "k", "said": "x"}),
        json.dumps(GOOD).encode(),
        json.dumps(dict(reversed(GOOD.items()))).encode(),
        line(GOOD | {"refs": {"odd": 5}}),
        line(GOOD | {"v": 2}),
        line(GOOD | {"cloudevent": {}}),
        line(GOOD | {"body": {"n": 1.0, "t": "\u200b", "e": {}}}),
        line(GOOD)[:-1] + b',"seq":1}',
        line(GOOD)[:-1] + b',"x":1.50}',
        line(GOOD)[:-1] + b',"x":"\\ud800"}',
        line(GOOD)[:-1] + b',"x":1e999}',
        line(GOOD) + b" ",
    ],
)
def test_an_event_comes_back_byte_for_byte(raw: bytes) -> None:
    assert there_and_back(raw) == raw


@few
@given(changed())
def test_any_line_that_is_an_event_comes_back_byte_for_byte(raw: bytes) -> None:
    try:
        event.parse(raw)
    except BadFile:
        return
    assert there_and_back(raw) == raw


def test_the_attributes_say_what_the_event_says() -> None:
    found = cloudevents.to_cloud(GOOD, line(GOOD))
    assert found["id"] == GOOD["event_id"] and found["source"] == "tbdx:github.com/o/r"
    assert (found["type"], found["time"], found["subject"]) == ("work.created", GOOD["ts"], ISSUE)
    assert found["data"] == {"title": "t"} and "tbdxline" not in found


FOREIGN = {"specversion": "1.0", "id": "7", "source": "/s", "type": "com.example.Thing", "data": {"a": [1]}, "ext": "é"}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"data": "text"},
        {"type": "Word"},
        {"data_base64": "AAEC"},
        {"type": "日本"},
        {"type": "x" * 99},
        {"type": "."},
    ],
)
def test_a_cloudevent_of_another_origin_goes_in_and_out_again_as_it_was(change: dict[str, Any]) -> None:
    given_ = FOREIGN | change
    draft = cloudevents.from_cloud(given_)
    assert isinstance(draft, dict)
    event.check_draft(draft["type"], draft["refs"], draft["body"])
    raw = line(made(writer("a"), 1, 0) | draft)
    assert cloudevents.to_cloud(event.parse(raw), raw) == given_


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type"])
def test_what_lacks_a_required_attribute_is_no_cloudevent(missing: str) -> None:
    for value in (None, 5, ""):
        with pytest.raises(BadFile, match="not a CloudEvent"):
            cloudevents.from_cloud(FOREIGN | {missing: value} if missing != "specversion" else FOREIGN | {missing: 5})
