"""Identifiers: ULIDs, internal ids (`is-<ulid>`), short ids, display ids (`<prefix>-<short>`).

Ids name files, so nothing that fails `is_ulid` ever becomes part of a path.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford, lower case as tbd writes it
BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_ULID_CHARS = frozenset(BASE32)
_KEY_CHARS = frozenset(BASE36 + "._-")
LONG_IDS_FROM = 50_000  # so many mappings, and new short ids have five characters


def ulid(at_ms: int, random80: int) -> str:
    """A ULID of 26 lower-case characters from milliseconds and 80 random bits (spec: github ulid/spec)."""
    n = (at_ms & (2**48 - 1)) << 80 | random80
    return "".join([BASE32[n >> shift & 31] for shift in range(125, -1, -5)])


def is_ulid(text: str) -> bool:
    return len(text) == 26 and text[0] < "8" and _ULID_CHARS.issuperset(text)


def is_internal(text: object, prefix: str = "is") -> bool:
    """True for `<prefix>-<ulid>` in lower case: the only thing that may become a file name."""
    n = len(prefix)
    return isinstance(text, str) and text[: n + 1] == prefix + "-" and is_ulid(text[n + 1 :])


def is_key(text: str) -> bool:
    """True for what may stand as a short id in ids.yml."""
    return 0 < len(text) <= 64 and _KEY_CHARS.issuperset(text)


def is_prefix(text: str) -> bool:
    """tbd's rule for a project prefix: a letter, then up to 18 of `[a-z0-9._]`, the last one alphanumeric."""
    if not (1 <= len(text) <= 20 and "a" <= text[0] <= "z" and text[-1] in BASE36):
        return False
    return all(c in BASE36 or c in "._" for c in text)


def is_usual_prefix(text: str) -> bool:
    """Two to eight letters: what `init` takes without --force."""
    return 2 <= len(text) <= 8 and all("a" <= c <= "z" for c in text)


def resolve(text: str, find: Callable[[str], str | None]) -> str | None:
    """The ULID that a person means by `text`, None when there is none. `find` maps a short id to a ULID.

    The order is tbd's: a whole internal id, an exact short id (so an imported `x-ab` wins), then without its
    prefix, whatever the prefix is.
    """
    text = text.strip().lower()
    if is_internal(text):
        return text[3:]
    found = find(text) if is_key(text) else None
    if found is None:
        rest = strip_prefix(text)
        if is_ulid(rest):
            return rest
        found = find(rest) if is_key(rest) else None
    return found


def strip_prefix(text: str) -> str:
    """`text` without what looks like a project prefix (`[a-z][a-z0-9._]*-`), else `text`."""
    head, dash, rest = text.partition("-")
    if dash and rest and "a" <= head[:1] <= "z" and all(c in BASE36 or c in "._" for c in head):
        return rest
    return text


def new_short(taken: Callable[[str], bool], count: int, random_int: Callable[[int], int]) -> str | None:
    """A free short id: ten tries at the usual length, ten with one character more, else None.

    `count` is the number of mappings; `random_int(n)` gives an integer below n.
    """
    length = 5 if count >= LONG_IDS_FROM else 4
    for size in (length, length + 1):
        for _ in range(10):
            n = random_int(36**size)
            text = ""
            for _ in range(size):
                n, digit = divmod(n, 36)
                text = BASE36[digit] + text
            if not taken(text):
                return text
    return None


def short_from_ulid(of: str, taken: Callable[[str], bool]) -> str:
    """The short id that every clone gives a ULID which lost its own: windows of its text, the first free one.

    tbd's order: four characters from the end without overlap, then every window of four, then of five. When all are
    taken the whole ULID serves.
    """
    for size, starts in ((4, range(22, 1, -4)), (4, range(22, -1, -1)), (5, range(21, -1, -1))):
        for at in starts:
            if not taken(of[at : at + size]):
                return of[at : at + size]
    return of


def suggest(text: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Up to `most` of the `known` display or short ids within two edits of `text`, nearest first."""
    near = []
    for candidate in known:
        if abs(len(candidate) - len(text)) <= 2:
            d = distance(text, candidate, 2)
            if d <= 2:
                near.append((d, candidate))
    return [c for _, c in sorted(near)[:most]]


def distance(a: str, b: str, limit: int) -> int:
    """Levenshtein distance, or limit + 1 as soon as it is known to be greater."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (x != y))
        if min(row) > limit:
            return limit + 1
    return row[-1]


def repair(rows: Iterable[tuple[str, str]], issues: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """(short -> ulid, complaints) from rows of ids.yml as read and the ULIDs that have an issue file.

    Pure and the same on every clone: a contested short id stays with the smallest ULID, every other gets one cut from
    its own text; then each issue without a row gets one, in ULID order.
    """
    holders: dict[str, set[str]] = {}
    said: list[str] = []
    for short, of in rows:
        if of in holders.setdefault(short, set()):
            said.append(f"the row of short id {short} stands there twice")
        holders[short].add(of)
    names = {short: min(of) for short, of in holders.items()}
    mapped = by_ulid(names)
    for short in sorted(s for s, of in holders.items() if len(of) > 1):
        for loser in sorted(holders[short] - {names[short]}):
            if loser not in mapped:
                mapped[loser] = short_from_ulid(loser, names.__contains__)
                names[mapped[loser]] = loser
            said.append(f"short id {short} was given twice: {loser} is now {mapped[loser]}")
    for of in sorted(set(issues) - mapped.keys()):
        fresh = short_from_ulid(of, names.__contains__)
        said.append(f"no short id for {of}: it is {fresh}")
        names[fresh] = of
    return names, said


def by_ulid(names: Mapping[str, str]) -> dict[str, str]:
    """ulid -> short; the first short id in text order serves where a ULID has several."""
    out: dict[str, str] = {}
    for short in sorted(names, reverse=True):
        out[names[short]] = short
    return out
