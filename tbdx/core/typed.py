"""What people type for a field, checked in tbd's words."""

from __future__ import annotations

from tbdx.core.entity import KINDS, STATUSES
from tbdx.core.times import parse
from tbdx.errors import Invalid


def priority_of(text: str) -> int:
    number = text[1:] if text[:1] in ("P", "p") else text
    if number not in ("0", "1", "2", "3", "4"):
        raise Invalid(f"Invalid priority: {text}. Use P0-P4 or 0-4.")
    return int(number)


def kind_of(text: str) -> str:
    if text not in KINDS:
        raise Invalid(f"Invalid type: {text}. Must be: {', '.join(KINDS)}")
    return text


def status_of(text: str) -> str:
    if text not in STATUSES:
        raise Invalid(f"Invalid status: {text}. Must be: {', '.join(STATUSES)}")
    return text


def date_of(text: str, option: str) -> str | None:
    """An instant for a date as typed; '' clears."""
    if not text:
        return None
    found = parse(text)
    if found is None:
        raise Invalid(f"Invalid {option} value: {text}. Expected a date or timestamp.")
    return found


def title_of(text: str) -> str:
    if not text.strip():
        raise Invalid("Title cannot be empty")
    return text
