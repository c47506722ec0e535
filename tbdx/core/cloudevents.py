"""CloudEvents 1.0, both ways and without loss (source: cloudevents.io, JSON format 1.0).

An event's body is `data`; its line goes along whole where rendering the event again would not give it back. A
CloudEvent of another origin keeps its attributes in the key `cloudevent`.
"""

from __future__ import annotations

from tbdx.core import event
from tbdx.core.jsontext import dumps
from tbdx.errors import BadFile, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN = ("v", "event_id", "ts", "project", "type", "writer", "seq", "prev", "body")


def to_cloud(found: dict[str, Any], raw: bytes) -> dict[str, Any]:
    """The CloudEvent of an event, whose line, without its end, is `raw`."""
    foreign = found.get("cloudevent")
    if isinstance(foreign, dict) and _is_cloud(foreign):
        return foreign
    out = {"specversion": "1.0", "id": found["event_id"], "source": f"tbdx:{found['project']}"}
    out |= {"type": found["type"], "time": found["ts"]}
    about = next((value for value in found["refs"].values() if isinstance(value, str) and value), None)
    out |= {"subject": about} if about else {}
    out |= {"datacontenttype": "application/json"}
    out |= {name: found[name] for name in ("writer", "seq", "prev") if name in found}  # a derived one has none
    out["tbdxmore"] = dumps({name: value for name, value in found.items() if name not in _OWN})
    try:
        same = not raw or event.render(found)[:-1] == raw
    except Invalid:
        same = False
    if not same or found["v"] != event.VERSION:
        out["tbdxline"] = raw.decode()
    return out | {"data": found["body"]}


def from_cloud(value: dict[str, Any]) -> bytes | dict[str, Any]:
    """The line of an event that `to_cloud` wrote, without its end; of any other CloudEvent what to emit. Raises
    BadFile."""
    if not _is_cloud(value):
        raise BadFile("not a CloudEvent: specversion, id, source and type are wanted")
    if isinstance(value.get("tbdxline"), str):
        return str(value["tbdxline"]).encode()
    if isinstance(value.get("tbdxmore"), str):
        more = event.parse_object(value["tbdxmore"].encode())
        made = {"v": event.VERSION, "event_id": value["id"], "ts": value.get("time"), "type": value["type"]}
        made |= {"project": value["source"].removeprefix("tbdx:"), "writer": value.get("writer")}
        made |= {"seq": value.get("seq"), "prev": value.get("prev"), "body": value.get("data")} | more
        return event.render(made)[:-1]
    data = value.get("data")
    kind = "".join(c if c in "abcdefghijklmnopqrstuvwxyz0123456789_." else "_" for c in value["type"].lower())
    kind = kind if event.is_type(kind) else f"cloudevent.{kind.replace('.', '_')[:60] or 'event'}"
    made = {"type": kind, "refs": {}, "body": data if isinstance(data, dict) else {}, "cloudevent": value}
    return made | {"idempotency_key": f"cloudevent {value['source']} {value['id']}"}


def _is_cloud(value: dict[str, Any]) -> bool:
    return all(isinstance(value.get(name), str) and value[name] for name in ("specversion", "id", "source", "type"))
