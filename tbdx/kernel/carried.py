"""Events that others bring: by import, in an outbox on a working branch, in a bundle; and ours, where that is left.

They are kept beside our own journals until the next sync carries them on, with where they came from, and are unverified
wherever they are read.
"""

from __future__ import annotations

import os

from tbdx.core import chain, checkpoint, event, union
from tbdx.core.cloudevents import from_cloud
from tbdx.errors import BadFile, Invalid
from tbdx.kernel import Kernel, coord, log
from tbdx.kernel.journal import append, locked
from tbdx.kernel.views import checkpoint_of
from tbdx.store import files, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tbdx.core.checkpoint import Checkpoint
    from tbdx.core.union import Tree


def import_(k: Kernel, data: bytes, source: str, mark: str | None = None) -> dict[str, Any]:
    """Take in lines of events that others wrote, from `export`; {imported, known, damaged: [{line, reason}]}.

    They are kept as carried ones, unverified, and travel with the next sync. CloudEvents are taken, too: those that
    were ours come back as they were, any other is journaled as an event of the one who imports it, under its own id as
    a key. Raises Invalid when none is an event.
    """
    k.open()
    by_writer: dict[str, list[tuple[int, bytes]]] = {}
    damaged, already = [], 0
    foreign: list[dict[str, Any]] = []
    found_here, base = log.sources(k), checkpoint_of(k)
    held: dict[str, set[bytes]] = {}  # of the writers that occur
    lines = data.split(b"\n")
    for number, raw in enumerate(lines if lines[-1] else lines[:-1], 1):
        try:
            found = event.parse_object(raw)
            if "specversion" in found:
                made_of = from_cloud(found)
                if isinstance(made_of, dict):
                    foreign.append(made_of)
                    continue
                raw = made_of
            found = event.parse(raw)
        except (BadFile, Invalid) as e:
            damaged.append({"line": number, "reason": e.message})
            continue
        writer = found["writer"]
        if writer not in held:
            held[writer] = _lines_of(found_here[writer], base) if writer in found_here else set()
        if raw in held[writer]:
            already += 1
        else:
            by_writer.setdefault(writer, []).append((found["seq"], raw))
            held[writer].add(raw)
    if damaged and not by_writer and not already and not foreign:
        raise Invalid(f"{source}: not one line is an event; line {damaged[0]['line']}: {damaged[0]['reason']}")
    with locked(k):
        for writer, rows in by_writer.items():
            for first, last, content in chain.pieces(rows, journal.SEAL):
                _keep(k, writer, first, last, content, mark or os.path.basename(source))
    acks = append(k, foreign) if foreign else []
    already += sum(ack["duplicate"] for ack in acks)
    count = sum(map(len, by_writer.values())) + sum(not ack["duplicate"] for ack in acks)
    return {"imported": count, "known": already, "damaged": damaged}


def _lines_of(source: log.Source, base: Checkpoint) -> set[bytes]:
    return {e.raw for entries in log.chains(source, base.vector).of.values() for e in entries}


def _keep(k: Kernel, writer: str, first: int, last: int, content: bytes, mark: str) -> None:
    """Keep a run of another's lines beside our own journals, to last, with where they came from. Raises Disk."""
    folder = files.inside(journal.own(k.repo), "carried", event.base_writer(writer))
    files.make_folder(folder)
    path = f"{folder}/{chain.carried_name(first, last, content)}"
    files.make_folder(k.repo.scratch)
    files.write(f"{path}.from", f"{' '.join(mark.split())}\n".encode(), scratch=k.repo.scratch)
    files.write(path, content, scratch=k.repo.scratch)


def came_from(k: Kernel, path: str) -> str | None:
    """Where a carried file came from: branch, commit and author, or the file that was imported."""
    rel = path.partition("/carried/")[2]
    try:
        return files.read(f"{path}.from", 1000).decode("utf-8", "replace").strip()
    except (FileNotFoundError, BadFile):
        name = f"{union.CARRIED}{rel}"
        said = k.git.message_where_added(name, k.coordination.branch).split("\n")
        return next((line.partition(" from ")[2] for line in said if line.startswith(f"Carried: {name} from ")), None)


# an outbox, and a bundle


def save_outbox(k: Kernel) -> int:
    """Copy our events that the remote lacks to `.coord/outbox/` in the working tree; how many there are now."""
    there = coord.tree_of(k, coord.seen_tip(k), k.coordination.branch)
    runs = [(writer, run) for writer, some in _lacking(k, there).items() for run in some]
    wanted = {f"{writer}/{chain.carried_name(*run)}": run[2] for writer, run in runs}
    count = sum(data.count(b"\n") for data in wanted.values())
    mine = journal.writers(journal.own(k.repo))
    for rel in _outbox(k).keys() - wanted.keys():
        if rel.partition("/")[0] in mine:  # who works on the same branch has an outbox in the same folder
            files.remove(f"{k.repo.root}/{union.OUTBOX}{rel}", durable=False)
    for rel, data in wanted.items():
        target = files.inside(k.repo.root, ".coord", "outbox", *rel.split("/"))
        files.make_folder(os.path.dirname(target))
        files.write(target, data)
    return count


def _outbox(k: Kernel) -> dict[str, bytes]:
    """What lies in our outbox in the working tree, of the names that it has."""
    root = f"{k.repo.root}/{union.OUTBOX.rstrip('/')}"
    out = {}
    for rel, odd in files.walk(root):
        writer, _, name = rel.partition("/")
        if not odd and journal.is_carried(writer, name):
            out[rel] = journal.read(files.inside(root, writer, name))
    return out


def empty_outbox(k: Kernel) -> None:
    """Remove from our outbox what the coordination branch has by now."""
    held = _outbox(k)
    if not held:
        return
    root = f"{k.repo.root}/{union.OUTBOX}"
    own = journal.own(k.repo)
    for rel, data in held.items():
        writer = rel.partition("/")[0]
        mine = b"".join(journal.read(path) for _, path in journal.segments(own, writer))
        if all(line in mine for line in data.splitlines(keepends=True)):
            files.remove(f"{root}{rel}")
            files.remove_empty(f"{root}{writer}")
    files.remove_empty(root)
    files.remove_empty(os.path.dirname(root.rstrip("/")))


def take_carried(k: Kernel, held: Mapping[str, bytes], branch: str, commit: str, author: str = "") -> int:
    """Keep the events of somebody's outbox, or bundle, until the next sync carries them on; how many were new.

    `held`: `<writer>/<first>-<last>-<digest8>.jsonl` -> content. They are marked with where they came from.
    """
    lines = b"".join(
        data if data.endswith(b"\n") else data + b"\n"
        for rel, data in sorted(held.items())
        if journal.is_carried(*rel.partition("/")[::2])
    )
    if not lines:
        return 0
    done = import_(k, lines, branch, mark=f"{branch} {commit} {author}".strip())
    for row in done["damaged"]:
        k.say("warn", f"outbox on {branch}: line {row['line']}: {row['reason']}; it is stepped over")
    return int(done["imported"])


def take_bundle(k: Kernel, tip: str, source: str) -> int:
    """Take in what a coordination branch from a bundle has and we have not, as carried; how many events were new."""
    tree = coord.tree_of(k, tip, source)
    here = coord.tree_of(k, k.git.branch_tip(k.coordination.branch), k.coordination.branch)
    new = {path: blob for path, blob in tree.items() if here.get(path) != blob}
    data = k.git.blobs(new.values())
    held = b"".join(data[blob] for path, blob in sorted(new.items()) if path.endswith(".jsonl"))
    mark = f"{os.path.basename(source)} {tip} {k.git.author(tip)}"  # where it lay on this machine is nobody's business
    done = import_(k, held, source, mark=mark) if held else {"imported": 0}
    points = {path: data[blob] for path, blob in new.items() if path.startswith(union.CHECKPOINT)}
    with locked(k):
        coord.take_in(k, [], coord.Exchanged("local"), adopted=_adopted(k, points))
    return int(done["imported"])


def _adopted(k: Kernel, points: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the checkpoints that stand for all that ours does: without them, what they cover would be missing."""
    base, out = checkpoint_of(k), {}
    for path, data in points.items():
        try:
            made = checkpoint.parse(data, os.path.basename(path))
        except BadFile:
            continue
        if made.stands_for(base) and made.rank() > base.rank():
            out[path] = data
    return out


def unpublished(k: Kernel) -> int:
    """How many events of this clone's own journals the remote lacked when it was last seen."""
    there = coord.tree_of(k, coord.seen_tip(k), k.coordination.branch) if k.coordination.on else {}
    return sum(run[2].count(b"\n") for runs in _lacking(k, there).values() for run in runs)


def _lacking(k: Kernel, there: Tree) -> dict[str, list[tuple[int, int, bytes]]]:
    """writer -> runs of our own lines that a tree of the branch does not have."""
    folder, out = journal.own(k.repo), {}
    for writer in journal.writers(folder):
        rows = []
        for first, path in journal.segments(folder, writer):
            blob = there.get(union.journal_path(writer, first))
            data = journal.read(path)
            known = k.git.blobs([blob])[blob] if blob else b""
            lacking = data[len(known) :] if data.startswith(known) else data
            rows += [(e.seq, e.raw) for e in chain.parse(lacking, writer, path, True)[0]]
        out[writer] = chain.pieces(rows, journal.SEAL)
    return out
