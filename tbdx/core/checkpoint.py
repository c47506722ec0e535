"""What compaction leaves of the events that it covers: the same bytes for the same events, wherever it is made.

    {"v": 1, "until": event id, "vector": {journal: seq}, "state": {part: …}}

Every fold starts from the newest checkpoint. An event that it did not cover, although it sorts below `until`, folds
right after it.
"""

from __future__ import annotations

from tbdx.core.digest import hexdigest
from tbdx.core.event import is_id
from tbdx.core.jsontext import dumps, loads
from tbdx.errors import BadFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

VERSION = 1


class Checkpoint:
    """`digest` names its file; `state` is what `views.fold` goes on from."""

    def __init__(self, until: str, vector: dict[str, int], state: dict[str, Any], digest: str = "") -> None:
        self.until, self.vector, self.state = until, vector, state
        self.digest = digest or _digest(self.render())

    def render(self) -> bytes:
        value = {"v": VERSION, "until": self.until, "vector": dict(sorted(self.vector.items())), "state": self.state}
        return dumps(value).encode() + b"\n"

    def rank(self) -> tuple[str, str]:
        """The newest of several is the greatest."""
        return self.until, self.digest

    def stands_for(self, other: Checkpoint) -> bool:
        """Whether it covers all that another one does."""
        return all(self.vector.get(name, 0) >= seq for name, seq in other.vector.items())


NONE = Checkpoint("", {}, {}, "-")


def parse(data: bytes, name: str = "") -> Checkpoint:
    """A checkpoint from its file, which is called `<digest>.json`. Raises BadFile."""
    try:
        value = loads(data.decode())
        made = Checkpoint(value["until"], value["vector"], value["state"], _digest(data))
        right = value["v"] == VERSION and is_id(made.until) and isinstance(made.state, dict)
        right = right and all(isinstance(seq, int) for seq in made.vector.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise BadFile(f"not a checkpoint: {e}")
    if not right or name not in ("", f"{made.digest}.json"):
        raise BadFile("not a checkpoint that this version reads, or not what its name says")
    return made


def newest(found: Iterable[Checkpoint]) -> Checkpoint:
    return max(found, key=Checkpoint.rank, default=NONE)


def _digest(data: bytes) -> str:
    return hexdigest(data)[:16]
