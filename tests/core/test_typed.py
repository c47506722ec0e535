"""What people type for a field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tbdx.core.typed import date_of, kind_of, priority_of, status_of, title_of
from tbdx.errors import Invalid


@pytest.mark.parametrize("text, number", [("0", 0), ("4", 4), ("P0", 0), ("p3", 3)])
def test_a_priority_is_a_digit_with_or_without_its_letter(text: str, number: int) -> None:
    assert priority_of(text) == number


@pytest.mark.parametrize("text", ["5", "-1", "P5", "PP1", "", "P", "high", "1.0", " 1", "٣"])
def test_anything_else_is_no_priority(text: str) -> None:
    with pytest.raises(Invalid, match="Use P0-P4 or 0-4"):
        priority_of(text)


@pytest.mark.parametrize("check, good, bad", [(kind_of, "chore", "Bug"), (status_of, "in_progress", "done")])
def test_a_word_outside_of_the_list_is_answered_with_the_list(check: Callable[[str], Any], good: str, bad: str) -> None:
    assert check(good) == good
    with pytest.raises(Invalid, match=f"{bad}. Must be: .*{good}"):
        check(bad)


def test_a_date_becomes_an_instant_and_an_empty_one_clears() -> None:
    assert date_of("2026-12-01", "--due") == "2026-12-01T00:00:00.000Z"
    assert date_of("2026-12-01T10:00:00+02:00", "--due") == "2026-12-01T08:00:00.000Z"
    assert date_of("", "--due") is None
    with pytest.raises(Invalid, match="Invalid --due value: tomorrow"):
        date_of("tomorrow", "--due")


def test_a_title_is_kept_as_typed_but_not_empty() -> None:
    assert title_of("  x ") == "  x "
    for blank in ("", " \t\n"):
        with pytest.raises(Invalid, match="Title cannot be empty"):
            title_of(blank)
