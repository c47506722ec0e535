"""A text in which an unfinished merge left both versions between markers, taken apart again."""

from __future__ import annotations


def sides(text: str) -> tuple[str, str] | None:
    """(the text with all first versions, the text with all second ones); None when the markers do not go together.

    A part between `|||||||` and `=======` is what both began from, and left out.
    """
    ours: list[str] = []
    theirs: list[str] = []
    place = ""  # in which part of a conflict
    met = False
    for line in text.split("\n"):
        mark = line[:7] if line[7:8] in ("", " ") else ""
        if mark == "<<<<<<<" and not place:
            place, met = "<", True
        elif mark == "|||||||" and place == "<":
            place = "|"
        elif mark == "=======" and place in ("<", "|"):
            place = "="
        elif mark == ">>>>>>>" and place == "=":
            place = ""
        elif place and mark in ("<<<<<<<", "|||||||", ">>>>>>>"):
            return None
        else:
            if place in ("", "<"):
                ours.append(line)
            if place in ("", "="):
                theirs.append(line)
    return ("\n".join(ours), "\n".join(theirs)) if met and not place else None
