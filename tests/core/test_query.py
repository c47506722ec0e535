"""`wk query`: what an expression matches, and where a bad one goes wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbdx.core.query import DEEPEST, LONGEST, compile_query
from tbdx.errors import Usage

few = settings(max_examples=100, deadline=None, database=None, derandomize=True)
many = settings(max_examples=8_000, deadline=None, database=None)

ISSUE = {
    "type": "is",
    "id": "is-01aaaaaaaaaaaaaaaaaaaaaaaa",
    "title": "It's a Draft of the plan",
    "kind": "bug",
    "status": "open",
    "priority": 1,
    "version": 12,
    "labels": ["Backend", "urgent"],
    "dependencies": [{"type": "blocks", "target": "is-01bbbbbbbbbbbbbbbbbbbbbbbb"}],
    "assignee": None,
    "spec_path": "null",
    "created_at": "2026-01-02T03:04:05.678Z",
    "extensions": {
        "linear": {"id": "LIN-7", "points": 2.5, "done": False, "a.b": "dots"},
        "x-y": {"list": [{"n": 1}, {"n": 5}]},
        "zip": "02139",
    },
}


def matches_of(expr: str, entity: dict[str, object]) -> bool:
    return compile_query(expr)[0](entity)


def matches(expr: str) -> bool:
    return compile_query(expr)[0](ISSUE)


@pytest.mark.parametrize(
    "expr",
    [
        "status = open",
        "status=open",
        "status != closed",
        "title ~ DRAFT",
        'title ~ "draft of"',
        "title ~ it's",
        r"title = 'It\'s a Draft of the plan'",
        "priority = 1",
        "priority = P1",
        "priority <= p1",
        "priority < P2 and priority > P0",
        "version > 9",  # as numbers: as text 12 comes before 9
        "version = 12.0",
        "version ~ 2",
        "status in (closed, open)",
        "priority IN (0, P1)",
        "NOT status = closed AND (kind = feature OR kind = bug)",
        "status = closed and status = closed or status = open",
        "not not status = open",
        "((status = open))",
        "extensions.linear.id = LIN-7",
        "extensions.linear.id ~ lin",
        "extensions.linear.points > 2",
        "extensions.linear.done = false",
        "extensions.linear.done != true",
        "extensions.linear.a.b = dots",
        "extensions.x-y.list.n = 5",
        "extensions.zip = 02139",
        "extensions ~ lin-7",
        "labels = urgent",
        "labels != backend",
        "labels ~ back",
        "labels in (none, urgent)",
        "not labels = other",
        "dependencies = is-01bbbbbbbbbbbbbbbbbbbbbbbb",
        "dependencies.target ~ bbbb",
        "kind = issue",
        "kind = issue and kind = bug",
        "kind != agent",
        "kind in (message, issue)",
        "created_at > 2026-01-02",
        "created_at < 2026-01-03",
        "created_at = 2026-01-02T04:04:05.678+01:00",
        "created_at >= '2026-01-02 03:04'",
        "created_at ~ 2026-01",
        "assignee = null",
        "assignee in (null, someone)",
        "assignee != someone",
        "spec_path = 'null'",
        "spec_path != null",
        "due_date = NULL",
        "extensions.github.id = null",
        "extensions.linear.id.deeper = null",
        "nothing.like.this != 1",
    ],
)
def test_an_expression_matches(expr: str) -> None:
    assert matches(expr)


@pytest.mark.parametrize(
    "expr",
    [
        "status = Open",
        "status = closed or kind = feature",
        "priority = P2",
        "priority = high",
        "priority < high",
        "priority = 01x",
        "version = P1",
        "version < 9",
        "extensions.zip = 2139",
        "extensions.linear.done = 0",
        "extensions.linear = null",
        "labels = back",
        "labels != urgent",
        "labels = null",
        "kind = agent",
        "kind != issue",
        "kind = feature",
        "created_at < 2026-01-02",
        "created_at = 2026-01-02",
        "assignee = someone",
        "assignee != null",
        "assignee < z",
        "assignee >= ''",
        "assignee ~ ''",
        "due_date < 2030-01-01",
        "spec_path = null",
        "assignee = 'null'",
    ],
)
def test_an_expression_does_not_match(expr: str) -> None:
    assert not matches(expr)


@pytest.mark.parametrize(
    ("expr", "message"),
    [
        ("", "column 1: expected a field"),
        ("   ", "column 4: expected a field"),
        ("status =", "column 9: expected a value"),
        ("status = = open", "column 10: expected a value"),
        ("status == open", "column 9: expected a value"),
        ("status", "column 7: expected one of = != < <= > >= ~ in"),
        ("status open", "column 8: expected one of = != < <= > >= ~ in"),
        ("= open", "column 1: expected a field"),
        ("'status' = open", "column 1: expected a field"),
        ("a..b = 1", "column 1: expected a field, not 'a..b'"),
        ("$x = 1", "column 1: expected a field, not '$x'"),
        ("status = and", "column 10: expected a value"),
        ("status = open kind = bug", "column 15: expected `and`, `or` or the end"),
        ("status = open and", "column 18: expected a field"),
        ("(status = open", "column 15: expected `and`, `or` or `)`"),
        ("status = open)", "column 14: expected `and`, `or` or the end"),
        ("()", "column 2: expected a field"),
        ("not", "column 4: expected a field"),
        ("status in open", "column 11: expected `(` and the values after `in`"),
        ("status in ()", "column 12: expected a value"),
        ("status in (a b)", "column 14: expected `,` or `)`"),
        ("status in (a,", "column 14: expected a value"),
        ("title = 'open", "column 9: the quote ' is not closed"),
        ('é = 1 and title = "x', 'column 19: the quote " is not closed'),
    ],
)
def test_a_bad_expression_names_its_column(expr: str, message: str) -> None:
    with pytest.raises(Usage) as e:
        compile_query(expr)
    assert e.value.message == message
    assert e.value.exit_code == 2
    hint = e.value.hint or ""
    compile_query(hint.removeprefix("for example: "))  # what the hint shows is right


@pytest.mark.parametrize("expr", ["(" * 10_000, "(" * 4_000 + "a=1" + ")" * 4_000, "not " * 2_400 + "a=1"])
def test_deep_nesting_is_a_usage_error(expr: str) -> None:
    with pytest.raises(Usage, match=f"column [0-9]+: nested deeper than {DEEPEST} levels"):
        compile_query(expr)


def test_nesting_up_to_the_limit_is_taken() -> None:
    assert matches("(" * DEEPEST + "status = open" + ")" * DEEPEST)


def test_a_long_chain_is_not_deep() -> None:
    assert matches(" or ".join(["a = 1"] * 900 + ["status = open"]))


def test_an_expression_has_a_limit() -> None:
    with pytest.raises(Usage, match="column 10001: the expression is longer than 10000 characters"):
        compile_query("a" * (LONGEST + 1))


def test_the_collection_comes_from_the_type() -> None:
    assert not matches_of("kind = message", {"type": "other", "kind": "bug"})
    assert matches_of("kind = message", {"type": "ms"}) and not matches_of("kind = issue", {"type": "ms"})


def test_a_number_beyond_counting_is_only_a_value() -> None:
    assert not matches("version > " + "9" * 5_000)
    assert matches("version < " + "9" * 5_000)


words = st.sampled_from(
    "status = != < <= > >= ~ in and or not ( ) ( ) , open P1 1 'a' \"b\" labels extensions.linear.id null ' kind issue "
    "2026-01-01 ! \\".split(" ")
)
expressions = st.lists(words, max_size=12).map(" ".join) | st.text(max_size=20)


def check_total(expr: str) -> None:
    """An expression is Usage with a column, or a predicate that answers for any entity."""
    try:
        test, _ = compile_query(expr)
    except Usage as e:
        assert e.message.startswith("column ")
        assert 1 <= int(e.message.split()[1].rstrip(":")) <= len(expr) + 1
    else:
        assert test(ISSUE) in (True, False)
        assert test({}) in (True, False)


@given(expressions)
@few
def test_any_text_gives_a_predicate_or_a_column(expr: str) -> None:
    check_total(expr)


@pytest.mark.long
@given(expressions)
@many
def test_any_text_gives_a_predicate_or_a_column_many_times(expr: str) -> None:
    check_total(expr)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
values = st.recursive(
    plain, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("ab"), v), max_leaves=6
)


@given(values, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "~"]), st.text(max_size=5))
@few
def test_any_value_compares_without_a_crash(value: object, op: str, text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    for field in ("x", "x.a", "x.a.b"):
        equal = compile_query(f"{field} = {quoted}")[0]({"x": value})
        assert compile_query(f"{field} != {quoted}")[0]({"x": value}) is not equal
        assert compile_query(f"{field} {op} {quoted}")[0]({"x": value}) in (True, False)


@given(st.text(max_size=8))
@few
def test_a_quoted_text_equals_itself(text: str) -> None:
    for quote in "'\"":
        quoted = quote + text.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote
        assert compile_query(f"x = {quoted}")[0]({"x": text})


MESSAGE = {"type": "ms", "id": "ms-01aaaaaaaaaaaaaaaaaaaaaaaa", "from": "agent:a", "to": ["agent:b"], "body": "Hello"}


@pytest.mark.parametrize(
    ("expr", "kinds"),
    [
        ("kind = message", "message"),
        ("kind != issue", "agent artifact message"),
        ("kind in (agent, message)", "agent message"),
        ("status = open", "issue"),
        ("not status = closed", "issue"),
        ("importance = urgent", "issue message"),  # an issue may have keys of its own
        ("kind = agent and roles = reviewer", "agent"),
        ("kind = agent and status = open", ""),
        ("kind = bug or to = agent:b", "issue message"),
        ("id = x", "agent artifact issue message"),
    ],
)
def test_an_expression_is_about_the_collections_that_know_its_fields(expr: str, kinds: str) -> None:
    assert " ".join(sorted(compile_query(expr)[1])) == kinds


@pytest.mark.parametrize(
    "expr", ["to = agent:b", "body ~ hell", "not from = agent:c", "cc != agent:x", "priority = 1 or to ~ b"]
)
def test_a_message_matches(expr: str) -> None:
    assert matches_of(expr, MESSAGE)


@pytest.mark.parametrize(
    "expr", ["status != closed", "not status = closed", "not (priority < 2)", "kind != message", "to = x"]
)
def test_what_is_not_about_messages_holds_for_none(expr: str) -> None:
    assert not matches_of(expr, MESSAGE)
