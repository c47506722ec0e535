"""Instants: tbd's form, what a person may type, and datetime as the judge."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core import times

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
many = settings(max_examples=10_000, deadline=None, database=None)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
zones = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))
instants = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29))


def ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


@given(instants)
@few
def test_an_instant_is_written_as_datetime_writes_it(at: datetime) -> None:
    at = at.replace(tzinfo=UTC)
    text = times.iso(ms(at))
    assert text == at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert times.is_instant(text)
    assert times.to_ms(text) == ms(at)
    assert times.parse(text) == text


@given(instants, zones, st.sampled_from("T t"), st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"]))
@few
def test_a_time_with_an_offset_is_the_instant_datetime_reads(at: datetime, zone: timezone, t: str, spec: str) -> None:
    text = at.replace(tzinfo=zone).isoformat(t, timespec=spec)
    assert times.to_ms(text) == ms(datetime.fromisoformat(text))
    assert times.is_instant(times.parse(text))


@given(instants)
@few
def test_a_time_without_a_zone_is_utc(at: datetime) -> None:
    assert times.to_ms(at.isoformat()) == ms(at.replace(tzinfo=UTC))


@given(st.dates())
@few
def test_a_date_is_its_midnight(day: object) -> None:
    assert times.parse(f" {day} ") == f"{day}T00:00:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026",
        "2026-1-1",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-01-01T",
        "2026-01-01Z",
        "2026-01-01T24:00",
        "2026-01-01T23:60",
        "2026-01-01T23:59:60",
        "2026-01-01T12",
        "2026-01-01T12:00:00.",
        "2026-01-01T12:00:00.1.2",
        "2026-01-01T12:00:00.1:2",
        "2026-01-01T12:00+1:00",
        "2026-01-01T12:00+24:00",
        "2026-01-01T12:00+01:60",
        "2026-01-01T12:00Z+01:00",
        "2026-01-01 12:00:00 UTC",
        "2026-01-01x12:00",
        "+026-01-01",
        "２０２６-01-01",
        "0000-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    assert times.parse(text) is None
    assert times.to_ms(text) is None
    assert not times.is_instant(text)


def test_leap_days_are_days() -> None:
    assert times.parse("2024-02-29") and times.parse("2000-02-29")


@pytest.mark.parametrize(
    "value", [None, 5, "2026-01-01", "2026-01-01T00:00Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z"]
)
def test_only_a_full_instant_in_utc_may_stand_in_a_file(value: object) -> None:
    assert not times.is_instant(value)


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.1Z", "2026-01-01T00:00:00.123456789Z"])
def test_any_fraction_may_stand_in_a_file(text: str) -> None:
    assert times.is_instant(text)
    assert times.to_ms(text) is not None


near = st.text("0123456789-T: .Z+", max_size=26) | st.builds(
    lambda at, n, c: at.isoformat()[:n] + c + at.isoformat()[n + 1 :], instants, st.integers(0, 20), st.characters()
)


def check_total(text: str) -> None:
    full = times.parse(text)
    if full is None:
        assert times.to_ms(text) is None or times.is_instant(text)
        return
    assert times.is_instant(full) and len(full) == 24
    assert times.iso(times.to_ms(text) or 0) == full
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        # datetime takes no year 0 and, in 3.11, no fraction of more than six digits
        assert text.strip().startswith("0000-") or full.startswith("0000-") or len(text.strip()) > 26
    else:
        assert ms(at if at.tzinfo else at.replace(tzinfo=UTC)) == times.to_ms(text)


@given(near)
@few
def test_what_is_taken_is_what_datetime_takes(text: str) -> None:
    check_total(text)


@pytest.mark.long
@given(near)
@many
def test_what_is_taken_is_what_datetime_takes_many_times(text: str) -> None:
    check_total(text)
