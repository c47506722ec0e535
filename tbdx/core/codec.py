"""Issue files to issues and back: `---`, front matter, `---`, description, `## Notes`, notes.

A file in tbd's own form takes the fast reader; anything else goes through the slow one, which names the line of what
it cannot accept. Rewriting a hand-edited file keeps the bytes of every value that did not change, its comments and
its body.
"""

from __future__ import annotations

from tbdx.core import canon
from tbdx.core.entity import BODY, in_file_order, problems, with_defaults
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST = 1_048_576  # bytes in one file; a bigger one is named, not read
# what JavaScript's trim() takes away, which is what decides where tbd's texts begin and end
BLANK = " \t\n\r\v\f\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))


def decode(data: bytes) -> str:
    """The text of a file with its line ends as LF. Raises BadFile with the line for bytes that are not clean text."""
    if not data:
        raise BadFile("the file is empty", hint="git log on the sync branch may have an earlier version")
    if len(data) > LARGEST:
        raise BadFile(f"the file is larger than {LARGEST} bytes")
    if b"\0" in data:
        raise BadFile("NUL bytes", line=data.count(b"\n", 0, data.index(b"\0")) + 1)
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        raise BadFile("not UTF-8", line=data.count(b"\n", 0, e.start) + 1)
    if text[0] == "\ufeff":
        raise BadFile("begins with a byte order mark; save it as UTF-8 without one", line=1)
    return text.replace("\r\n", "\n") if "\r" in text else text


def encode(text: str) -> bytes:
    """The bytes of a file. Raises BadFile for text that `decode` would refuse."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise BadFile("not valid UTF-8 text")
    if b"\0" in data:
        raise BadFile("NUL characters")
    if len(data) > LARGEST:
        raise BadFile(f"the file would be larger than {LARGEST} bytes")
    return data


def split(text: str) -> tuple[str, str]:
    """(front matter, body); the front matter begins in line 2 of the file. Raises BadFile."""
    if text[:4] != "---\n":
        first = text.split("\n", 1)[0].rstrip()
        if first in ("---yaml", "---yml", "---"):
            text = "---\n" + text.split("\n", 1)[-1]
        else:
            raise BadFile("Invalid format: missing front matter opening delimiter", line=1)
    if text[4:8] == "---\n" or text[4:] == "---":
        return "", text[8:]
    end = text.find("\n---\n", 3)
    if end >= 0:
        return text[4 : end + 1], text[end + 5 :]
    at = 4
    while at < len(text):  # a closing line with blanks behind it, or without its line end
        stop = text.find("\n", at)
        line = text[at:] if stop < 0 else text[at:stop]
        if line.rstrip() == "---":
            return text[4:at], "" if stop < 0 else text[stop + 1 :]
        if stop < 0:
            break
        at = stop + 1
    raise BadFile("Invalid format: missing front matter closing delimiter", line=text.count("\n") + 1)


def split_body(body: str) -> tuple[str, str]:
    """(description, notes) as tbd reads them: the first line that says `## Notes`, in any case, divides them."""
    body = body.strip(BLANK)
    if "## notes" in body.lower():
        lines = body.split("\n")
        for n, line in enumerate(lines):
            if line.strip(BLANK).lower() == "## notes":
                return "\n".join(lines[:n]).strip(BLANK), "\n".join(lines[n + 1 :]).strip(BLANK)
    return body, ""


def join_body(description: str | None, notes: str | None) -> str:
    """The body of a file, from the line after the closing `---`."""
    text = f"{description.strip(BLANK)}\n" if description and description.strip(BLANK) else ""
    if notes and notes.strip(BLANK):
        text += f"\n## Notes\n\n{notes.strip(BLANK)}\n"
    return text


def parse(text: str, expect: str | None = None) -> dict[str, Any]:
    """The issue in a file's text, checked. `expect` is the id that the file's name promises. Raises BadFile."""
    front, body = split(text)
    fields, lines = front_matter(front)
    issue = with_defaults(fields)
    for name in BODY:
        if name in fields:
            raise BadFile(f"{name} belongs below the front matter", line=line_of(name, front, lines))
    description, notes = split_body(body)
    if description:
        issue["description"] = description
    if notes:
        issue["notes"] = notes
    wrong = problems(issue)
    if wrong:
        name, what = wrong[0]
        raise BadFile(f"{name}: {what}", line=line_of(name, front, lines))
    if expect is not None and issue["id"] != expect:
        raise BadFile(f"id: the file is named {expect} but holds {issue['id']}", line=line_of("id", front, lines))
    return issue


def render(issue: dict[str, Any]) -> str:
    """The text of an issue's file, all of it in tbd's form."""
    return f"---\n{canon.dumps(in_file_order(issue))}---\n{join_body(issue.get('description'), issue.get('notes'))}"


def rewrite(text: str, new: dict[str, Any]) -> str:
    """The file `text` changed to hold `new`: values that are equal keep their bytes, as does an unchanged body.

    Key order and line ends become tbd's. `text` must parse.
    """
    front, body = split(text)
    try:
        canon.loads(front)
    except canon.Declined:
        head = _rewrite_front(front, new)
        if not _holds(head, in_file_order(new)):  # a layout that `_chunks` took apart in the wrong place
            head = canon.dumps(in_file_order(new))
    else:
        head = canon.dumps(in_file_order(new))
    description, notes = split_body(body)
    if (new.get("description") or "") != description or (new.get("notes") or "") != notes:
        body = join_body(new.get("description"), new.get("notes"))
    return f"---\n{head}---\n{body}"


def front_matter(front: str) -> tuple[dict[str, Any], dict[str, int] | None]:
    """(the fields, the line of each where it had to be looked at). Raises BadFile."""
    try:
        return canon.loads(front), None
    except canon.Declined:
        pass
    from tbdx.core import loose

    for n, line in enumerate(front.split("\n")):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")) or line == "=======":
            raise BadFile("conflict markers: a merge was left unfinished here", line=n + 2)
    return loose.load_map(front, first_line=2)


def line_of(name: str, front: str, lines: dict[str, int] | None) -> int:
    """The line of a field in the file, 1 when it is not there."""
    if lines is None:
        lines = {line.partition(":")[0]: n for n, line in enumerate(front.split("\n"), 2) if line[:1] != " "}
    return lines.get(name, 1)


def _rewrite_front(front: str, new: dict[str, Any]) -> str:
    from tbdx.core import loose

    first = front.lstrip("\n")  # blank lines at the top stay there: below a literal block they would count
    old, lines = loose.load_map(first, first_line=0)
    chunks, tail = _chunks(first, lines)
    out = [front.removesuffix(first)]
    for name, value in in_file_order(new).items():
        same = name in old and _same(old[name], value)
        comments, raw = chunks.pop(name, ("", ""))
        if not (same and raw):
            blank = len(raw) - len(raw.rstrip("\n")) - 1
            raw = canon.dumps({name: value})
            raw += "\n" * blank if "|" not in raw else ""  # in a literal block they would count
        out.append(comments + raw)
    # the comments of a value that went stay: they are the writer's words, not the field's
    return "".join(out) + "".join(comments for comments, _ in chunks.values()) + tail


def _holds(front: str, fields: dict[str, Any]) -> bool:
    from tbdx.core import loose

    try:
        return _same(loose.load_map(front)[0], fields)
    except BadFile:
        return False


def _same(a: Any, b: Any) -> bool:
    """Equal in value and in type: 1 is not true, and 1.0 is not 1."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b) or (a != a and b != b)  # not a number is itself here


def _chunks(front: str, lines: dict[str, int]) -> tuple[dict[str, tuple[str, str]], str]:
    """({key: (comment lines above it, its own lines)}, comment lines at the end) of a block mapping.

    A mapping in flow style, or two keys in one line, has no such lines: every value is then written anew.
    """
    rows = front.split("\n")[:-1] if front.endswith("\n") else front.split("\n")
    starts = sorted((n, name) for name, n in lines.items())
    if len({n for n, _ in starts}) != len(starts) or any(rows[n][:1] in ("{", " ", ",") for n, _ in starts):
        return {}, ""
    ends = [n for n, _ in starts[1:]] + [len(rows)]
    above, chunks = _comments(rows, 0, starts[0][0] if starts else len(rows)), {}
    for (start, name), end in zip(starts, ends, strict=True):
        body_end = end
        while body_end > start + 1 and (rows[body_end - 1][:1] == "#" or not rows[body_end - 1].strip()):
            body_end -= 1
        while body_end < end and not rows[body_end].strip():
            body_end += 1  # blank lines belong to the value: in a literal block they count
        chunks[name] = (above, "".join(row + "\n" for row in rows[start:body_end]))
        above = _comments(rows, body_end, end)
    return chunks, above


def _comments(rows: list[str], start: int, end: int) -> str:
    return "".join(row + "\n" for row in rows[start:end])
