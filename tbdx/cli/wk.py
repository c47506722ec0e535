"""`wk`: entities by id, by file and by query. With --json one object per line."""

from __future__ import annotations

from tbdx.cli.common import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def get(c: Call) -> None:
    from tbdx.kernel import records

    source, entity = records.get(c.kernel, c["id"])
    if c.json:
        c.out.data(entity, None)
    else:
        c.out.text(source.removesuffix("\n"))


def put(c: Call) -> None:
    from tbdx.kernel import records

    text = c.body("-" if c["file"] in (None, "-") else None, c["file"] if c["file"] != "-" else None, ("-", "FILE"))
    made = records.put(c.kernel, (text or "").encode(), if_version=c["if_version"], dry=c.dry)
    if c.json:
        c.out.data(made, None)
    else:
        word = "Would write" if c.dry else "Created" if made["created"] else "Wrote"
        c.out.success(f"{word} {made['id']} version {made['version']}")


def query(c: Call) -> None:
    from tbdx.kernel import records

    for entity in records.query(c.kernel, c["expr"]):
        if c.json:
            c.out.data(entity, None)
        else:
            c.out.text(_row(c, entity))


def _row(c: Call, entity: dict[str, Any]) -> str:
    from tbdx.cli.lists import row
    from tbdx.cli.output import one_line

    if entity["type"] == "is":
        return row(c.kernel.display(entity["id"]), *(entity[name] for name in ("priority", "status", "kind", "title")))
    if entity["type"] == "ms":
        text = f"{entity['from']} -> {', '.join(entity['to'])}  {entity.get('subject') or ''}"
    else:
        text = entity["name"]
    return one_line(f"{entity['id']}  {text}".rstrip())
