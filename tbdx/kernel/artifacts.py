"""Artifacts: files and links that work brings forth, each known by the SHA-256 of its content.

An artifact is a file that never changes, `artifacts/ar-<ulid>.md`, and its content beside it, named by its digest, so
that the same content is kept once. What is larger than 1 MiB, or is not shared, stays in the clone that added it. The
order is content, file, event: what is listed has its content. No text of an artifact's file is ever used as a path.
"""

from __future__ import annotations

import hashlib
import os
import stat

from tbdx.core import kinds
from tbdx.core.entity import CONTENT
from tbdx.core.event import base_writer
from tbdx.core.ids import is_internal
from tbdx.core.kinds import CONTENT_MAX, IN_CLONE, IN_GIT, URL_MAX
from tbdx.errors import BadFile, Disk, Invalid, NotFound, TbdxError
from tbdx.kernel import Kernel, agents, journal
from tbdx.kernel.views import current
from tbdx.store import entities, files
from tbdx.store import journal as journals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    Artifact = dict[str, Any]
    Read = Callable[[int], bytes]

LINK = "text/uri-list"
AGAIN = "tbdx artifact add puts the right content back, where somebody has it"
HEAD = 8_192  # bytes by which the kind of a content is told
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


class Content:
    """What is to be added. `data` is all of it, or None where it is large: then it is the file `staged`."""

    def __init__(self, digest: str, size: int, head: bytes, data: bytes | None, staged: str | None = None) -> None:
        self.digest, self.size, self.head, self.data, self.staged = digest, size, head, data, staged


class Sum:
    """The digest and the size of what passes."""

    def __init__(self) -> None:
        self.size, self._sha = 0, hashlib.sha256()

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self._sha.update(piece)
            yield piece

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha.hexdigest()}"


# adding


def add(k: Kernel, given: str, o: Mapping[str, Any], stdin: Read, *, dry: bool = False) -> dict[str, Any]:
    """Add a file, a URL, or for `-` what `stdin` gives. `o`: name, type, work, supersedes, key, allow_secret.

    {artifact_id, name, digest, media_type, size, where, event_id, duplicate, durability}. Raises Invalid, NotFound,
    BadFile for what is no file, Disk, and TbdxError for a file that changes while it is read.
    """
    k.open()
    who, url = k.me, _url(given)
    named = {"name": o.get("name") or _name_of(given, url)}
    about = {"work_id": k.need(o["work"])} if o.get("work") else {}
    about |= {"supersedes": _checked(k, o["supersedes"])} if o.get("supersedes") else {}
    if not o.get("allow_secret"):
        journal.refuse_secrets(k, "artifacts", named["name"], url or "")
    content = _linked(url) if url else _taken(k, given, stdin, dry=dry)
    try:
        fields: Artifact = {"type": "ar", "id": k.new_id("ar"), **named, "digest": content.digest}
        fields["media_type"] = o.get("type") or (LINK if url else media_type(named["name"], content))
        fields |= {"size": content.size, "where": url or _where(k, content)}
        fields |= {"host": os.uname().nodename} if fields["where"] == IN_CLONE else {}
        fields |= about | {"created_by": who, "created_at": k.now()}
        agents.encoded(fields, "artifact")  # whatever is wrong is said before anything is kept
        if fields["where"] == IN_GIT and not o.get("allow_secret") and _is_text(content.data or b""):
            journal.refuse_secrets(k, "artifacts", (content.data or b"").decode())
        if dry:
            return {n: v for n, v in fields.items() if n not in ("type", "id")}
        with k.writing():
            return _add(k, fields, content, o.get("key"))
    finally:
        if content.staged is not None:
            files.discard(content.staged)


def _where(k: Kernel, content: Content) -> str:
    return IN_GIT if k.coordination.on and content.data is not None else IN_CLONE


def _url(given: str) -> str | None:
    """The URL that is given, None for a path. Raises Invalid for one that no artifact can be."""
    scheme, colon, rest = given.partition("://")
    if not colon:
        if given[:5].lower() in ("file:", "data:"):
            raise Invalid(f"{given[:5].lower()} is no place that others can reach", hint="give the path of the file")
        return None
    if "@" in rest.partition("/")[0].partition("?")[0]:
        raise Invalid("a URL with a user or a password, and artifacts are published", hint="leave them out of it")
    if scheme.lower() not in ("http", "https"):
        raise Invalid(f"a link is http or https, not {scheme[:20]}", hint="give the path of a file, or - for stdin")
    if not kinds.is_url(given) or len(given) > URL_MAX:
        raise Invalid(f"not a URL: without blanks, {URL_MAX} characters at most, with a host: {given[:60]}")
    return given


def _name_of(given: str, url: str | None) -> str:
    if url:
        return url.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
    return "stdin" if given == "-" else os.path.basename(given)


def _linked(url: str) -> Content:
    data = url.encode()
    return Content(f"sha256:{hashlib.sha256(data).hexdigest()}", len(data), data[:HEAD], data)


def _taken(k: Kernel, given: str, stdin: Read, *, dry: bool) -> Content:
    """The content of a file or of stdin, read once. What is large is copied to a temporary file; with `dry` to none."""
    if given == "-":
        return _read(k, _pieces(stdin), dry=dry)
    path = os.path.join(k.cwd, given)
    if "\0" in path:
        raise Invalid("a path has no NUL character")
    try:
        fd = files.opened(path, follow=True)
    except FileNotFoundError:
        raise NotFound(f"no such file: {given}")
    except BadFile as e:
        hint = "tar cz FOLDER | tbdx artifact add - --name x.tar.gz" if "folder" in e.reason else None
        raise BadFile(e.reason, path=given, hint=hint or "cat it, and add - takes what comes on stdin")
    try:
        before = os.fstat(fd)
        content = _read(k, _no_longer(files.pieces(fd, given), before.st_size), dry=dry)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if (content.size, after.st_size, after.st_mtime_ns) != (before.st_size, before.st_size, before.st_mtime_ns):
        if content.staged is not None:
            files.discard(content.staged)
        raise TbdxError(
            f"{given} changed while it was read: nothing is added",
            hint="repeat the command when it is still; cat FILE | tbdx artifact add - takes what there is",
        )
    return content


def _no_longer(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Pieces until they are more than a file had: one that grows faster than it is read has no end."""
    for piece in pieces:
        yield piece
        size -= len(piece)
        if size < 0:
            return


def _pieces(read: Read) -> Iterator[bytes]:
    try:
        while piece := read(files.PIECE):
            yield piece
    except OSError as e:
        raise Disk(f"cannot read standard input: {e.strerror}")


def _read(k: Kernel, pieces: Iterator[bytes], *, dry: bool) -> Content:
    made, first = Sum(), b""
    flow = made.of(pieces)
    for piece in flow:
        first += piece
        if len(first) > CONTENT_MAX:
            break
    else:
        return Content(made.digest, made.size, first[:HEAD], first)
    if dry:
        for _ in flow:
            continue
        return Content(made.digest, made.size, first[:HEAD], None)
    staged = f"{k.repo.scratch}/artifact.{os.getpid()}.{k.entropy(4).hex()}.tmp"
    files.make_folder(k.repo.scratch)
    files.write_pieces(staged, _joined(first, flow))
    return Content(made.digest, made.size, first[:HEAD], None, staged)


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def media_type(name: str, content: Content) -> str:
    """By the name, else by the first bytes. Only Python's own table of names is asked, so that all hosts agree."""
    import mimetypes

    found, packed = mimetypes.MimeTypes().guess_type(f"file:{name}", strict=True)
    if packed or found:
        return _PACKED.get(packed, "application/octet-stream") if packed else str(found)
    is_whole = content.size == len(content.head)
    return "text/plain" if _is_text(content.head, is_whole=is_whole) else "application/octet-stream"


def _is_text(data: bytes, *, is_whole: bool = True) -> bool:
    """True for UTF-8 without NUL; where it is not whole a character may be cut at its end."""
    from codecs import getincrementaldecoder

    try:
        getincrementaldecoder("utf-8")().decode(data, is_whole)
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _add(k: Kernel, fields: Artifact, content: Content, key: str | None) -> dict[str, Any]:
    """Write what is to be added: content, file, event. Called under the lock. Raises TbdxError; then none is listed."""
    more: dict[str, Any] = {}
    if key:
        more = {"idempotency_key": key, "said": _said(fields)}
        first = _added_before(k, key, more["said"])
        if first:
            return first
    while os.path.lexists(entities.path_of(k.repo, fields["id"], "artifact")):  # another one's is not taken back below
        fields["id"] = k.new_id("ar")
    if not _is_link(fields):
        _keep(k, fields, content)
    try:
        text = agents.write_new(k, "artifact", fields).decode()
        acks = _tell(k, fields, k.blob(text), more)
    except TbdxError:
        files.discard(entities.path_of(k.repo, fields["id"], "artifact"))
        raise
    return _answer(fields) | {"event_id": acks[0]["event_id"], "duplicate": False, "durability": "local"}


def _tell(k: Kernel, fields: Artifact, blob: str, more: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Journal that an artifact was added: all its events or none."""
    body = {name: fields[name] for name in ("digest", "media_type", "size")} | {"blob": blob}
    refs = {"artifact_id": fields["id"]} | ({"work_id": fields["work_id"]} if "work_id" in fields else {})
    drafts = [{"type": "artifact.created", "refs": refs, "body": body, **more}]
    if "supersedes" in fields:
        body = {"by": fields["id"]}
        drafts.append({"type": "artifact.superseded", "refs": {"artifact_id": fields["supersedes"]}, "body": body})
    with journal.locked(k):  # whether the key is new was seen under tbd's lock, which all who add hold
        return journal.append_locked(k, drafts)


def _keep(k: Kernel, fields: Artifact, content: Content) -> None:
    """Put the content where it belongs. One that is there is written anew: it may have been damaged, or not flushed."""
    path = _path(k, fields, fields["where"])
    files.make_folder(os.path.dirname(path))
    if os.path.isdir(path):
        raise BadFile("a folder, where a content should be", path=path, hint="move it away, and repeat the command")
    if content.data is not None:
        files.write(path, content.data, scratch=k.repo.scratch)
    else:
        files.move(str(content.staged), path)


def _path(k: Kernel, fields: Artifact, where: str) -> str:
    """Where a content is, or would be. Its name is checked to be a digest. Raises BadFile for a link on the way."""
    name = fields["digest"][7:]
    if where == IN_GIT:
        return files.inside(k.repo.data, *CONTENT.rstrip("/").split("/"), name)
    return files.inside(k.repo.own, "artifacts", name)


def _answer(fields: Artifact) -> dict[str, Any]:
    return {"artifact_id": fields["id"]} | {n: v for n, v in fields.items() if n not in ("type", "id")}


def _said(fields: Artifact) -> str:
    """What is added, in 8 digits: by it a repeated key is known to come with something else."""
    from zlib import crc32

    from tbdx.core.jsontext import dumps

    names = ("name", "digest", "media_type", "work_id", "supersedes")
    return f"{crc32(dumps([fields.get(name) for name in names]).encode()):08x}"


def _added_before(k: Kernel, key: str, said: str) -> dict[str, Any] | None:
    """The answer to the first add with an idempotency key, None when there was none."""
    found = journal.used_key(k, "artifact.created", key)
    if found is None or not found[4]:
        return None
    if found[3] != said:
        k.say("warn", f"key {key} was used to add something else: {found[4]} stands")
    try:
        known = _answer(entities.read_of(k.repo, found[4], "artifact")[0])
    except (NotFound, BadFile):
        known = {"artifact_id": found[4]}
    return known | {"event_id": found[0], "duplicate": True, "durability": "local"}


# looking


def listed(k: Kernel, *, work: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """A row for each artifact, the oldest first, or for the last `limit` of them; `work`: of an issue."""
    k.open()
    about = k.need(work) if work else None
    found, bad = entities.scan(k.repo, "artifact")
    for problem in bad:
        k.say("warn", f"Skipping invalid artifact: {problem.message}")
    told = current(k, ("keys", "artifacts"))
    later = told["artifacts"]["by"] | {a["supersedes"]: a["id"] for a in found if a.get("supersedes")}
    repeats = {about: row[4] for row in told["keys"].values() for *_, about in row[5].values() if about}
    out = []
    for fields in found:
        if about is None or fields.get("work_id") == about:
            row = _answer(fields) | ({"superseded_by": later[fields["id"]]} if fields["id"] in later else {})
            if fields["id"] in repeats:
                row["repeats"] = repeats[fields["id"]]
            elif fields["id"] not in told["artifacts"]["made"]:
                row["unverified"] = True  # a file that no event tells of
            out.append(row | {"trust": "untrusted"})
    return out[-limit:] if limit else out


def _checked(k: Kernel, text: str) -> str:
    """The id of an artifact whose file is here. Raises Invalid, NotFound."""
    internal = text.strip().lower()
    if not is_internal(internal, "ar"):
        raise Invalid(f"not an artifact's id: {text[:60]}", hint="tbdx artifact list shows them")
    if not os.path.lexists(entities.path_of(k.repo, internal, "artifact")):
        raise NotFound(
            f"artifact not found: {internal}", hint="tbdx artifact list shows those that are here; sync brings others"
        )
    return internal


def _need(k: Kernel, text: str) -> tuple[Artifact, str]:
    """(an artifact, the text of its file). Raises Invalid, NotFound, BadFile."""
    return entities.read_of(k.repo, _checked(k, text), "artifact")


def get(k: Kernel, text: str) -> tuple[Artifact, Iterator[bytes]]:
    """(an artifact, its content piece by piece), known to be what its digest says before the first piece is given.

    Raises NotFound where it is not here, with who has it, and BadFile where it is not what it should be.
    """
    k.open()
    fields, source = _need(k, text)
    row = _told(k).get(fields["id"])
    wrong = _differs(k, fields, source, row)
    if _is_link(fields):
        wrong = wrong or _not_what_it_says(fields, _linked(fields["where"]))
        pieces = iter([fields["where"].encode()])
    else:
        found = _opened(k, fields)
        if found is None:
            state, why = _absent(k, fields, row)
            raise NotFound(f"{fields['id']}: {why}", hint=None if state == "elsewhere" else AGAIN)
        fd, path = found
        try:
            content, data = _looked_at(fd, path)
            wrong = wrong or _not_what_it_says(fields, content)
        except BaseException:
            os.close(fd)
            raise
        pieces = _given_out(fd, path, fields["digest"], data)
    if wrong:
        raise BadFile(f"{fields['id']}: {wrong}", hint=AGAIN)
    return fields, pieces


def _looked_at(fd: int, path: str) -> tuple[Sum, bytes | None]:
    """The sum of an open file from its begin, and its bytes where they are few. Raises Disk."""
    os.lseek(fd, 0, os.SEEK_SET)
    made = Sum()
    pieces = made.of(files.pieces(fd, path))
    if os.fstat(fd).st_size <= CONTENT_MAX:
        return made, b"".join(pieces)
    for _ in pieces:
        continue
    return made, None


def _given_out(fd: int, path: str, digest: str, data: bytes | None) -> Iterator[bytes]:
    """What was looked at: a large content is read once more, and a change in between is told at its end."""
    try:
        if data is not None:
            yield data
            return
        os.lseek(fd, 0, os.SEEK_SET)
        made = Sum()
        yield from made.of(files.pieces(fd, path))
        if made.digest != digest:
            raise BadFile("changed while it was read", path=path)
    finally:
        os.close(fd)


def save(k: Kernel, text: str, path: str, *, force: bool = False) -> Artifact:
    """Write an artifact's content to a file: whole or not at all, and over another one only with `force`. Raises
    Invalid, NotFound, BadFile, Disk."""
    if not path or "\0" in path:
        raise Invalid("not the name of a file")
    target = os.path.realpath(os.path.join(k.cwd, path))
    _may_be_written(target, path, force=force)
    fields, pieces = get(k, text)
    folder, name = os.path.split(target)
    temporary = f"{folder}/.{name[:100]}.{os.getpid()}.{k.entropy(4).hex()}.tmp"
    try:
        files.write_pieces(temporary, pieces)
        if force:
            files.move(temporary, target)
        elif not files.name_new(temporary, target):
            _may_be_written(target, path, force=force)
    finally:
        files.discard(temporary)
    return fields


def _may_be_written(target: str, given: str, *, force: bool) -> None:
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return
    except OSError as e:
        raise Disk(f"cannot write {given}: {e.strerror}")
    if not stat.S_ISREG(mode):
        raise Invalid(f"{given} is {files.kind_of(mode)}, not a file", hint="without -o the content goes to stdout")
    if not force:
        raise Invalid(f"{given} is there already", hint="--force writes over it")


def verify(k: Kernel, ids: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """{artifact_id, state, why?} of each artifact, of all unless some are named. `state`: ok, link, elsewhere (in the
    clone that added it), missing, or mismatch (with its digest, its size, or its event). Raises Invalid, NotFound."""
    k.open()
    wanted = [_checked(k, text) for text in dict.fromkeys(ids)] or _names(k)
    told = _told(k)
    for internal in wanted:
        try:
            fields, source = entities.read_of(k.repo, internal, "artifact")
            state, why = _state(k, fields, source, told.get(internal))
        except (BadFile, NotFound, Disk) as e:
            state, why = "mismatch", e.message
        yield {"artifact_id": internal, "state": state} | ({"why": why} if why else {})


def _names(k: Kernel) -> list[str]:
    found = {n[:-3] for folder in entities.folders(k.repo, "artifact") for n in entities.listed(folder, "ar")}
    return sorted(found)


def _state(k: Kernel, fields: Artifact, source: str, row: Sequence[Any] | None) -> tuple[str, str | None]:
    wrong = _differs(k, fields, source, row)
    if wrong:
        return "mismatch", wrong
    if _is_link(fields):
        wrong = _not_what_it_says(fields, _linked(fields["where"]))
        return ("mismatch", wrong) if wrong else ("link", None)
    found = _opened(k, fields)
    if found is None:
        return _absent(k, fields, row)
    fd, path = found
    try:
        wrong = _not_what_it_says(fields, _looked_at(fd, path)[0])
    finally:
        os.close(fd)
    return ("mismatch", wrong) if wrong else ("ok", None)


def _told(k: Kernel) -> dict[str, list[Any]]:
    """id -> what the event of an artifact says: [event id, agent, writer, digest, media type, size, blob]."""
    found: dict[str, list[Any]] = current(k, ("keys", "artifacts"))["artifacts"]["made"]
    return found


def _differs(k: Kernel, fields: Artifact, source: str, row: Sequence[Any] | None) -> str | None:
    """How an artifact's file says something else than its event, where that is here."""
    if row is None:
        return None
    said = (fields["created_by"], fields["digest"], fields["media_type"], fields["size"])
    told = (row[1], *row[3:6])
    for what, a, b in zip(("who added it", "the digest", "the media type", "the size"), said, told, strict=True):
        if a != b:
            return f"{what} is {a} by its file and {b} by its event"
    return "its file is not the one that its event tells of" if row[6] and k.blob(source) != row[6] else None


def _not_what_it_says(fields: Artifact, content: Sum | Content) -> str | None:
    if content.digest != fields["digest"]:
        return f"the content does not match: it is {content.digest}, not {fields['digest']}"
    if content.size != fields["size"]:
        return f"the content has {content.size} bytes, its file says {fields['size']}"
    return None


def _is_link(fields: Artifact) -> bool:
    return fields["where"] not in (IN_GIT, IN_CLONE)


def _opened(k: Kernel, fields: Artifact) -> tuple[int, str] | None:
    """(a descriptor, the path) of its content in this clone: where its file says, else where the same one was put for
    another artifact. None where it is not here. Raises BadFile, Disk."""
    for where in (IN_GIT, IN_CLONE) if fields["where"] == IN_GIT else (IN_CLONE, IN_GIT):
        path = _path(k, fields, where)
        try:
            return files.opened(path), path
        except FileNotFoundError:
            continue
    return None


def _absent(k: Kernel, fields: Artifact, row: Sequence[Any] | None) -> tuple[str, str]:
    """What it means that the content is not here: what another clone kept is there, unless it was this one."""
    who = f"{fields['created_by']} on {fields['host']}" if fields.get("host") else str(fields["created_by"])
    if _was_added_here(k, fields["id"], row):
        return "missing", "its content is gone from this clone"
    if fields["where"] == IN_CLONE:
        return "elsewhere", f"its content is kept in the clone of {who}, and not here"
    return "missing", "its content has not come here; it was not published, or taken away"


def _was_added_here(k: Kernel, internal: str, row: Sequence[Any] | None) -> bool:
    """Whether it was this clone that added an artifact: its file is not shared, or its event is in our own journals."""
    if os.path.lexists(f"{entities.local(k.repo, 'artifact')}/{internal}.md"):
        return True
    return row is not None and os.path.lexists(f"{journals.own(k.repo)}/{base_writer(row[2])}.jsonl")
