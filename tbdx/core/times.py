"""Instants as tbd writes them: `YYYY-MM-DDTHH:MM:SS.mmmZ`, UTC, always a string.

Kept as text everywhere: such strings sort as the instants do, and a hand-written variant survives untouched.
"""

from __future__ import annotations

import time

DAY_MS = 86_400_000
_good_days: set[str] = set()  # days that were found to be in the calendar: many issues share them


def iso(at_ms: int) -> str:
    """Milliseconds since 1970 as tbd writes an instant."""
    t = time.gmtime(at_ms // 1000)
    return (
        f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
        f".{at_ms % 1000:03d}Z"
    )


def is_instant(text: object) -> bool:
    """True for a full instant in UTC: date, `T`, time with seconds, any fraction, `Z`."""
    if not isinstance(text, str) or len(text) < 20 or not text.isascii() or text[-1] != "Z" or text[10] != "T":
        return False
    if text[:10] not in _good_days:
        if _days(text[:10]) is None:
            return False
        if len(_good_days) < 5000:
            _good_days.add(text[:10])
    if len(text) == 24 and text[13] == ":" == text[16] and text[19] == ".":  # as tbd and we write it
        hour, minute, second = text[11:13], text[14:16], text[17:19]
        if (hour + minute + second + text[20:23]).isdigit():
            return hour < "24" and minute < "60" and second < "60"
    return _clock(text[11:-1]) is not None


def to_ms(text: str) -> int | None:
    """An instant, or any date that `parse` takes, as milliseconds since 1970."""
    full = text if is_instant(text) else parse(text)
    if full is None:
        return None
    days, clock = _days(full[:10]), _clock(full[11:-1])
    return None if days is None or clock is None else days * DAY_MS + clock


def parse(text: str) -> str | None:
    """A date or timestamp as a person types it, as an instant; None when it is not one.

    Takes `YYYY-MM-DD`, and that with a time (`T` or a space, seconds and fraction optional) and `Z` or an offset.
    A time without a zone is read as UTC, so that one command line means the same instant everywhere.
    """
    text = text.strip()
    if not text.isascii():
        return None
    days = _days(text[:10])
    if days is None:
        return None
    if len(text) == 10:
        return text + "T00:00:00.000Z"
    if text[10] not in "Tt ":
        return None
    rest, shift_min = text[11:], 0
    if rest[-1:] in ("Z", "z"):
        rest = rest[:-1]
    elif len(rest) > 5 and rest[-6] in "+-" and rest[-3] == ":":
        sign, hours, minutes = rest[-6], rest[-5:-3], rest[-2:]
        if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
            return None
        shift_min = (int(hours) * 60 + int(minutes)) * (1 if sign == "+" else -1)
        rest = rest[:-6]
    clock = _clock(rest if rest.count(":") > 1 else rest + ":00")
    if clock is None:
        return None
    full = iso(days * DAY_MS + clock - shift_min * 60_000)
    return full if is_instant(full) else None  # an offset can lead out of the years 0 to 9999


def _days(text: str) -> int | None:
    """`YYYY-MM-DD` as days since 1970, None when there is no such day."""
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        return None
    y, m, d = text[:4], text[5:7], text[8:]
    if not (y.isdigit() and m.isdigit() and d.isdigit()):
        return None
    year, month, day = int(y), int(m), int(d)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= (28 + leap if month == 2 else 30 + (month + month // 8) % 2):
        return None
    # days from civil: March-based years, so that the leap day is the last of its year
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def _clock(text: str) -> int | None:
    """`HH:MM:SS[.fraction]` as milliseconds since midnight."""
    head, _, fraction = text.partition(".")
    parts = head.split(":")
    if len(parts) != 3 or any(len(p) != 2 or not p.isdigit() for p in parts):
        return None
    if "." in text and not fraction.isdigit():
        return None
    h, m, s = (int(p) for p in parts)
    if h > 23 or m > 59 or s > 59:
        return None
    return (h * 3600 + m * 60 + s) * 1000 + int((fraction + "000")[:3])
