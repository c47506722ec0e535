"""Trees of the coordination branch, merged: a union of paths, never of text.

No two places write one path differently, but for a fork: a copied clone, or a hand in the branch. Then the remote's
file keeps the path, what only the other has from the first differing line on is carried, and nothing is rewritten.
"""

from __future__ import annotations

from tbdx.core.event import base_writer, is_writer, segment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Tree = dict[str, str]  # path -> blob

TOP = ".coord/"
JOURNAL = ".coord/journal/"
CARRIED = ".coord/carried/"
CHECKPOINT = ".coord/checkpoint/"
OUTBOX = ".coord/outbox/"


def place(path: str) -> tuple[str, str, int] | None:
    """('journal', writer, first seq), ('carried', writer or fork, last seq) or ('checkpoint', digest, 0) of a path that
    a coordination branch may have; None for any other."""
    parts = path.split("/")
    if parts[0] != ".coord" or not path.endswith(".json" if parts[1:2] == ["checkpoint"] else ".jsonl"):
        return None
    if parts[1] == "checkpoint" and len(parts) == 3:
        digest = parts[2].removesuffix(".json")
        return ("checkpoint", digest, 0) if digest.isalnum() and digest.isascii() else None
    stem = parts[-1].removesuffix(".jsonl")
    if parts[1] == "journal" and len(parts) == 3 and _is_plain(stem):
        return "journal", stem, 1
    numbers = stem.split("-")
    if parts[1] == "carried" and len(parts) == 4 and is_writer(parts[2]):
        right = len(numbers) == 3 and all(map(_is_number, numbers[:2])) and _is_digest(numbers[2])
        return ("carried", parts[2], int(numbers[1])) if right else None
    if len(parts) != 4 or not _is_plain(parts[2]):
        return None
    if parts[1] == "journal" and _is_number(stem) and stem != "1":
        return "journal", parts[2], int(stem)
    return None


def _is_plain(writer: str) -> bool:
    return is_writer(writer) and base_writer(writer) == writer


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text[0] != "0" and len(text) < 16


def _is_digest(text: str) -> bool:
    return len(text) == 8 and not text.strip("0123456789abcdef")


def journal_path(writer: str, first: int) -> str:
    return JOURNAL + segment(writer, first)


class Apart:
    """Two contents of one path: `kept` stays there; `rest` are the lines of the other from the first that differs."""

    __slots__ = ("kept", "path", "rest", "why")

    def __init__(self, path: str, kept: str, rest: bytes, why: str) -> None:
        self.path, self.kept, self.rest, self.why = path, kept, rest, why


def merge(
    ours: Mapping[str, str], theirs: Mapping[str, str], seen: Mapping[str, str], read: Callable[[str], bytes]
) -> tuple[Tree, list[Apart]]:
    """(the union, what was in both and did not agree). `seen`: what the remote had before; `read` gives a blob."""
    out = {**ours, **theirs}
    apart = []
    for path in ours.keys() & theirs.keys():
        if ours[path] == theirs[path]:
            continue
        mine, other = read(ours[path]), read(theirs[path])
        if mine.startswith(other):
            out[path] = ours[path]
            if seen.get(path) == ours[path]:
                apart.append(Apart(path, ours[path], b"", "was cut short"))
        elif not other.startswith(mine):
            apart.append(Apart(path, theirs[path], after_common(mine, other), "holds other lines"))
    return out, apart


def after_common(mine: bytes, other: bytes) -> bytes:
    """What follows the lines that both begin with."""
    at = 0
    while True:
        end = mine.find(b"\n", at) + 1
        if not end or mine[at:end] != other[at:end]:
            return mine[at:]
        at = end


def uncovered(tree: Mapping[str, str], vector: Mapping[str, int], last_seq: Callable[[str], int]) -> Tree:
    """A tree without the segments that a checkpoint of that vector stands for.

    `last_seq` gives the last seq in a blob, 0 where that cannot be told: such a file stays. Carried files stay: only a
    compaction, which has read them, knows whether their lines are those that it covers.
    """
    firsts: dict[str, list[int]] = {}
    for path in tree:
        at = place(path)
        if at and at[0] == "journal":
            firsts.setdefault(at[1], []).append(at[2])
    out = {}
    for path, blob in tree.items():
        at = place(path)
        covered = vector.get(at[1], 0) if at else 0
        if at and covered and at[0] == "journal" and at[2] <= covered:
            following = [n for n in firsts[at[1]] if n > at[2]]
            last = min(following) - 1 if following else last_seq(blob)
            if 0 < last <= covered:
                continue
        out[path] = blob
    return out
