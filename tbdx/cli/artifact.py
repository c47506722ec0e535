"""`tbdx artifact`: files and links that work brings forth. With --json one object per line."""

from __future__ import annotations

import os
import sys

from tbdx.cli.common import Call, limited
from tbdx.cli.output import one_line
from tbdx.errors import Invalid, Nothing, TbdxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SHOWN_MAX = 1 << 20  # bytes of a text that a terminal, or --json, is given
BAD = ("missing", "mismatch")


def add(c: Call) -> None:
    from tbdx.kernel import artifacts

    made = artifacts.add(c.kernel, c["file"], c.opts, _stdin, dry=c.dry)
    if c.dry:
        return c.would("Would add", **made)
    if c.json:
        c.out.data(made, None)
        return
    word = "Added before:" if made["duplicate"] else "Added"
    c.out.success(one_line(f"{word} {made['artifact_id']}  {_about(c, made)}"))


def _stdin(most: int) -> bytes:
    """Bytes of standard input, none at its end. Raises OSError where it is closed."""
    try:
        return sys.stdin.buffer.read(most)
    except (AttributeError, ValueError) as e:
        raise OSError(9, str(e))


def list_(c: Call) -> None:
    from tbdx.kernel import artifacts

    found = artifacts.listed(c.kernel, work=c["work"], limit=limited(c["limit"]))
    if not found:
        raise Nothing("no artifacts", hint="tbdx artifact add FILE adds one")
    for row in found:
        if c.json:
            c.out.data(row, None)
        else:
            c.out.text(one_line(f"{row['artifact_id']}  {_about(c, row)}"))


def _about(c: Call, row: dict[str, Any]) -> str:
    """Size, media type, where, name, issue; and what is odd about it."""
    if "digest" not in row:  # it was added, and its file cannot be read any more
        return ""
    where = row["where"] if row["where"] in ("git", "clone") else "link"
    words = [f"{_size(row['size']):>10}  {row['media_type']}  {where}  {row['name']}"]
    words += [row["where"]] if where == "link" else []
    words += [c.kernel.display(row["work_id"])] if row.get("work_id") else []
    words += [f"({name.replace('_', ' ')} {row[name]})" for name in ("superseded_by", "repeats") if row.get(name)]
    words += ["(unverified)"] if row.get("unverified") else []
    return "  ".join(words)


def _size(size: int) -> str:
    for unit, n in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= n:
            return f"{size / n:.1f} {unit}"
    return f"{size} B"


def get(c: Call) -> None:
    from tbdx.kernel import artifacts

    to = c["output"]
    if to not in (None, "-"):
        fields = artifacts.save(c.kernel, c["id"], to, force=c["force"])
        row = {"artifact_id": fields["id"], "path": to, "size": fields["size"], "digest": fields["digest"]}
        c.out.data(row, None) if c.json else c.out.success(f"{to}: {_size(fields['size'])}")
        return
    fields, pieces = artifacts.get(c.kernel, c["id"])
    if c.json:
        row = {name: value for name, value in fields.items() if name not in ("type", "id")}
        c.out.data({"artifact_id": fields["id"], **row, "text": _text(fields, pieces), "trust": "untrusted"}, None)
    elif os.isatty(1):
        c.out.text(_text(fields, pieces).removesuffix("\n"))
    else:
        c.out.raw(pieces)


def _text(fields: dict[str, Any], pieces: Iterator[bytes]) -> str:
    """A content as text, where it is one that somebody may want to look at. Raises Invalid."""
    hint = "-o FILE writes it to a file; without --json a pipe gets its bytes"
    if fields["size"] > SHOWN_MAX:
        raise Invalid(f"{_size(fields['size'])} are too much to be shown", hint=hint)
    try:
        text = b"".join(pieces).decode()
        if "\0" not in text:
            return text
    except UnicodeDecodeError:
        pass
    raise Invalid(f"{fields['media_type']} that is no text is not shown", hint=hint)


def verify(c: Call) -> int:
    from tbdx.kernel import artifacts

    count = bad = 0
    for row in artifacts.verify(c.kernel, c["ids"]):
        count += 1
        bad += row["state"] in BAD
        if c.json:
            c.out.data(row, None)
        else:
            why = f"  {row['why']}" if "why" in row else ""
            c.out.text(one_line(f"{row['artifact_id']}  {row['state']}{why}"))
    if not count:
        raise Nothing("no artifacts", hint="tbdx artifact add FILE adds one")
    if bad:
        raise TbdxError(
            f"{bad} of {count} artifacts {'is' if bad == 1 else 'are'} missing or not what they should be",
            hint="tbdx artifact add puts the right content back, where somebody has it",
        )
    return 0
