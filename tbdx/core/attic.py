"""Attic entries: a value that lost a merge, as a file in tbd's form, named by what it holds.

Nothing here looks at a clock or at what a front matter calls its keys, so two clones that lose the same value write
the same file.
"""

from __future__ import annotations

from tbdx.core import canon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Issue = dict[str, Any]

FOLDER = ".tbd/data-sync/attic/"
DELETED = "<deleted>"


class Loss:
    """A value that lost a merge. `winner` and `loser` are the two issues, `at` the loser's `updated_at`."""

    __slots__ = ("entity", "field", "loser", "value", "winner")

    def __init__(self, entity: str, field: str, value: Any, winner: Issue, loser: Issue) -> None:
        self.entity, self.field, self.value = entity, field, value
        self.winner, self.loser = winner, loser

    @property
    def at(self) -> str:
        return str(self.loser["updated_at"])


def attic_files(losses: Iterable[Loss], held: Callable[[str], bytes | None]) -> dict[str, bytes]:
    """path -> bytes of the attic entries for losses, in tbd's format; `remote` is the winner's side."""
    entries = []
    for loss in losses:
        data = attic_entry(loss.entity, loss.at, loss.field, loss.value, loss.loser, loss.winner).encode()
        entries.append((FOLDER + stem_for(loss), data))
    return placed(entries, held)


def stem_for(loss: Loss) -> str:
    """What the name of a loss's entry begins with."""
    return f"{loss.entity}_{loss.at.replace(':', '-')[:40]}_{file_part(loss.field)}"


def placed(entries: Iterable[tuple[str, bytes]], held: Callable[[str], bytes | None]) -> dict[str, bytes]:
    """path -> bytes of entries that come with the stem of their names.

    `held(path)` is what stands there already: another entry is never written over, and one that says the same stays.
    """
    out: dict[str, bytes] = {}
    for stem, data in entries:
        for path in names(stem):
            there = out.get(path) or held(path)
            if there is None:
                out[path] = data
            if there is None or what(there) == what(data):
                break
    return out


def names(stem: str) -> Iterable[str]:
    """The file names for entries that would have the same one, in the order in which they are taken."""
    yield f"{stem}.yml"
    n = 1
    while True:
        yield f"{stem}.{n}.yml"
        n += 1


def stem_of(path: str) -> str:
    """What `names` made the path of an entry from."""
    stem = path.removesuffix(".yml")
    head, _, n = stem.rpartition(".")
    return head if n.isdigit() else stem


def what(entry: bytes) -> bytes:
    """The part of an entry that tells what was lost; the rest tells against whom, which may differ between clones."""
    return entry.partition(b"\nwinner_source:")[0]


def file_part(field: str) -> str:
    """A field name as part of a file name: what a front matter calls its keys must not choose where we write, nor that
    two names differ only by case, which some disks take for one."""
    safe = "".join(c.lower() if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in field)[:40]
    return safe if safe == field else f"{safe}-{sum(field.encode()) % 9973}"


def attic_entry(
    entity: str, at: str, field: str, lost: Any, loser: Issue, winner: Issue, *, winner_source: str = "remote"
) -> str:
    """One attic entry as tbd writes it. `lost` is kept as its JSON form; `local` is the side that lost."""
    import json

    sides = {"remote": winner, "local": loser} if winner_source == "remote" else {"remote": loser, "local": winner}
    return canon.dumps(
        {
            "entity_id": entity,
            "timestamp": at,
            "field": field,
            "lost_value": json.dumps(lost, ensure_ascii=False),
            "winner_source": winner_source,
            "loser_source": "local" if winner_source == "remote" else "remote",
            "context": {
                "local_version": sides["local"]["version"],
                "remote_version": sides["remote"]["version"],
                "local_updated_at": sides["local"]["updated_at"],
                "remote_updated_at": sides["remote"]["updated_at"],
            },
        }
    )
