"""Ids: ULIDs as the spec has them, short ids as tbd gives and resolves them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core import ids

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
A, B, C = (f"01k{c * 23}" for c in "abc")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1))
@few
def test_a_ulid_is_what_python_ulid_makes(at_ms: int, random80: int) -> None:
    from ulid import ULID

    made = ids.ulid(at_ms, random80)
    assert made == str(ULID.from_bytes(at_ms.to_bytes(6, "big") + random80.to_bytes(10, "big"))).lower()
    assert ids.is_ulid(made)
    assert ids.is_internal(f"is-{made}")


@given(st.lists(st.tuples(st.integers(0, 2**48 - 1), st.integers(0, 2**80 - 1))))
@few
def test_ulids_sort_as_their_instants_do(parts: list[tuple[int, int]]) -> None:
    assert [ids.ulid(*p) for p in sorted(parts)] == sorted(ids.ulid(*p) for p in parts)


@pytest.mark.parametrize(
    "text", ["", A[:-1], A + "a", A.upper(), "8" + A[1:], "../" + A[3:], A[:-1] + "u", A[:-1] + "\n"]
)
def test_what_is_no_ulid_never_becomes_a_file_name(text: str) -> None:
    assert not ids.is_ulid(text)
    assert not ids.is_internal("is-" + text)


@pytest.mark.parametrize("value", [None, 5, ["is-" + A], A, "IS-" + A, "is_" + A, "ag-" + A, "is-is-" + A])
def test_an_internal_id_has_its_prefix(value: object) -> None:
    assert not ids.is_internal(value)


def test_another_collection_has_another_prefix() -> None:
    assert ids.is_internal("agid-" + A, "agid")
    assert not ids.is_internal("is-" + A, "agid")


@pytest.mark.parametrize("text", ["a", "a1", "proj", "a.b_c", "x" * 20])
def test_a_prefix(text: str) -> None:
    assert ids.is_prefix(text)


@pytest.mark.parametrize("text", ["", "1a", "A", "a-", "a.", "a_", "a-b", "a b", "é", "x" * 21])
def test_no_prefix(text: str) -> None:
    assert not ids.is_prefix(text)


def test_a_usual_prefix_is_two_to_eight_letters() -> None:
    assert [t for t in ("a", "ab", "abcdefgh", "abcdefghi", "a1", "a.b") if ids.is_usual_prefix(t)] == [
        "ab",
        "abcdefgh",
    ]


NAMES = {"ab12": A, "x-ab12": B, "100": C}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ab12", A),
        ("proj-ab12", A),
        ("other-ab12", A),  # tbd takes any prefix
        (" PROJ-AB12 ", A),
        ("x-ab12", B),  # a whole short id comes before a prefix
        ("100", C),
        ("is-" + A, A),
        ("IS-" + A.upper(), A),
        ("proj-" + B, B),
        (B, B),
        ("ab1", None),
        ("ab123", None),
        ("-ab12", None),
        ("proj-", None),
        ("", None),
        ("../ab12", None),
    ],
)
def test_what_a_person_types_finds_its_issue(text: str, found: str | None) -> None:
    assert ids.resolve(text, NAMES.get) == found


def test_a_short_id_has_four_characters_and_five_once_there_are_many() -> None:
    assert ids.new_short(lambda _: False, 0, lambda n: 0) == "0000"
    assert ids.new_short(lambda _: False, ids.LONG_IDS_FROM - 1, lambda n: n - 1) == "zzzz"
    assert ids.new_short(lambda _: False, ids.LONG_IDS_FROM, lambda n: n - 1) == "zzzzz"


def test_a_taken_short_id_gets_ten_more_tries_then_a_longer_one_then_none() -> None:
    tried: list[str] = []
    assert ids.new_short(lambda s: bool(tried.append(s)) or len(s) == 4, 0, lambda n: 7) is not None
    assert [len(s) for s in tried] == [4] * 10 + [5]
    assert ids.new_short(lambda _: True, 0, lambda n: 7) is None


def test_a_ulid_that_lost_its_short_id_gets_one_from_its_own_text() -> None:
    of = "0123456789abcdefghjkmnpqrs"
    order: list[str] = []
    assert ids.short_from_ulid(of, lambda s: bool(order.append(s)) or True) == of
    assert order[:6] == [of[22:26], of[18:22], of[14:18], of[10:14], of[6:10], of[2:6]]
    assert order[6:29] == [of[n : n + 4] for n in range(22, -1, -1)]
    assert order[29:] == [of[n : n + 5] for n in range(21, -1, -1)]


def test_suggestions_are_near_and_few() -> None:
    known = ["proj-ab12", "proj-ab13", "proj-xb12", "proj-zzzz", "proj-ab22"]
    assert ids.suggest("proj-ab12", known) == ["proj-ab12", "proj-ab13", "proj-ab22"]
    assert ids.suggest("nothing", known) == []


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.integers(0, 6))
@few
def test_the_distance_is_levenshteins_up_to_its_limit(a: str, b: str, limit: int) -> None:
    rows = [[i + j if not i * j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (x != y))
    assert min(ids.distance(a, b, limit), limit + 1) == min(rows[-1][-1], limit + 1)


def test_a_short_id_given_twice_stays_with_the_smallest_ulid() -> None:
    names, said = ids.repair([("ab12", B), ("ab12", A), ("cd34", C)], [A, B, C])
    assert names == {"ab12": A, "cd34": C, "bbbb": B}
    assert said == [f"short id ab12 was given twice: {B} is now bbbb"]


def test_a_loser_with_another_short_id_gets_no_third() -> None:
    names, said = ids.repair([("ab12", B), ("ab12", A), ("ef56", B)], [A, B])
    assert names == {"ab12": A, "ef56": B}
    assert said == [f"short id ab12 was given twice: {B} is now ef56"]


def test_an_issue_without_a_short_id_gets_one() -> None:
    names, said = ids.repair([("ab12", A)], [B, A])
    assert names == {"ab12": A, "bbbb": B}
    assert said == [f"no short id for {B}: it is bbbb"]


rows = st.lists(st.tuples(st.sampled_from(["ab12", "cd34", "bbbb", "cccc"]), st.sampled_from([A, B, C])))


@given(rows, st.randoms())
@few
def test_repair_is_the_same_on_every_clone_and_settles(rows: list[tuple[str, str]], random: object) -> None:
    names, _ = ids.repair(rows, [A, B, C])
    shuffled = rows.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert ids.repair(shuffled, [C, A, B])[0] == names
    assert ids.repair(names.items(), [A, B, C]) == (names, [])
    assert set(names.values()) == {A, B, C}
    assert {short for short, _ in rows} <= names.keys()


def test_the_first_short_id_in_text_order_is_the_one_shown() -> None:
    assert ids.by_ulid({"zz": A, "aa": A, "mm": B}) == {A: "aa", B: "mm"}
