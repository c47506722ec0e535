"""ids.yml by its bytes: what is answered is what the whole table says, or nothing is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tbdx.core import names
from tbdx.core.ids import BASE32, BASE36, by_ulid, repair

shorts = st.text(BASE36 + "._-", min_size=1, max_size=6)
ulids = st.builds("0{}z".format, st.text(BASE32[:12], min_size=24, max_size=24))  # YAML quotes one of digits only
tables = st.dictionaries(shorts, ulids, max_size=12)
junk = st.sampled_from(["<<<<<<< HEAD", "a: b", "x: {y: z}", "", "# note", "a: b: c", "{}", "ab:   01", "\t"])


@given(tables, st.lists(junk, max_size=2), st.lists(st.tuples(shorts, ulids), max_size=2), st.randoms())
def test_a_row_found_by_bytes_is_the_one_in_the_table(
    table: dict[str, str], more: list[str], twice: list[tuple[str, str]], chance: object
) -> None:
    lines = names.render(table).splitlines() + more + [f"{k}: {v}" for k, v in twice]
    chance.shuffle(lines)  # type: ignore[attr-defined]
    text = "".join(f"{line}\n" for line in lines)
    whole, _ = repair(names.parse(text)[0], [])
    reverse = by_ulid(whole)
    for short in {*whole, *table, "zz"}:
        assert names.ulid_of(text.encode(), short) in (None, whole.get(short))
    for ulid in {*whole.values(), *table.values()}:
        assert names.short_of(text.encode(), ulid) in (None, reverse.get(ulid))


@given(tables)
def test_every_row_of_a_good_file_is_found_by_its_bytes(table: dict[str, str]) -> None:
    data = names.render(table).encode() if table else b""
    for short, ulid in table.items():
        assert names.ulid_of(data, short) == ulid
        if list(table.values()).count(ulid) == 1:
            assert names.short_of(data, ulid) == short


@given(tables.filter(bool), shorts, ulids)
def test_a_row_is_inserted_where_the_whole_table_would_have_it(table: dict[str, str], short: str, ulid: str) -> None:
    table.pop(short, None)
    if table:
        wanted = names.render({**table, short: ulid}).encode()
        twice = len(set(table.values())) < len(table)
        assert names.insert(names.render(table).encode(), short, ulid) in ((wanted, None) if twice else (wanted,))


@given(tables.filter(lambda t: len(t) > 1), junk)
def test_nothing_is_inserted_among_what_is_no_row_or_out_of_order(table: dict[str, str], line: str) -> None:
    good = names.render(table)
    rows = good.splitlines(keepends=True)
    for bad in ("".join(reversed(rows)), f"{line}\n{good}", good[:-1], good.replace("\n", "\r\n"), "", "{}\n"):
        if line not in ("a: b",) or not bad.startswith(line):
            assert names.insert(bad.encode(), "ab12", "0" * 26) is None, bad
