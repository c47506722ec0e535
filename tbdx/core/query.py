"""The language of `wk query`: an expression to a predicate over entities as plain dicts.

    expr  := all ("or" all)*          all  := one ("and" one)*
    one   := "not" one | "(" expr ")" | FIELD OP VALUE | FIELD "in" "(" VALUE ("," VALUE)* ")"
    OP    := = != < <= > >= ~         (`~`: contains, in any case)

What the entity holds decides how a value compares: numbers as numbers, instants as instants, everything else as text.
An absent field is null: only `= null` and `!=` match it. A list matches when any of its items does. A comparison is
about the collections that know its field, and never holds, negated or not, for an entity of another one.
"""

from __future__ import annotations

from tbdx.core.entity import COLLECTIONS
from tbdx.core.kinds import fields_of
from tbdx.core.times import is_instant, to_ms
from tbdx.errors import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    Token = tuple[str, str, int]
    Test = Callable[[dict[str, Any]], bool]
    Node = tuple[Test, frozenset[str]]  # and the collections that it may hold for

LONGEST = 10_000  # characters
DEEPEST = 50  # parentheses and `not`s inside each other; each costs a few frames of the stack, here and in each match
EXAMPLE = "for example: status = open and (labels = backend or priority <= P1) and not title ~ 'draft'"

_ALL = frozenset(COLLECTIONS)
_FIELDS = {kind: frozenset(fields_of(kind)) for kind in COLLECTIONS if kind != "issue"}
_OF_TYPE = {prefix: name for name, (_, prefix) in COLLECTIONS.items()}
_OPS = ("!=", "<=", ">=", "=", "<", ">", "~")
_KEYWORDS = ("and", "or", "not", "in")
_BLANK = " \t\r\n"


def compile_query(expr: str) -> Node:
    """(the predicate that `expr` says, the collections that it may hold for); `kind = message` narrows those. Raises
    Usage, which names the column (from 1) where `expr` goes wrong."""
    if len(expr) > LONGEST:
        raise Usage(f"column {LONGEST + 1}: the expression is longer than {LONGEST} characters", hint=EXAMPLE)
    parser = _Parser(list(_tokens(expr)))
    node = parser.either(0)
    parser.take("end", "expected `and`, `or` or the end")
    return node


def _wrong(column: int, what: str) -> Usage:
    return Usage(f"column {column}: {what}", hint=EXAMPLE)


def _tokens(expr: str) -> Iterator[Token]:
    """(kind, text, column); the kind is `word`, `quoted`, `end`, or the operator, mark or keyword itself."""
    at = 0
    while at < len(expr):
        c = expr[at]
        op = next((op for op in _OPS if expr.startswith(op, at)), None)
        start = at
        if c in _BLANK:
            at += 1
        elif c in "(),":
            at += 1
            yield c, c, start + 1
        elif op:
            at += len(op)
            yield op, op, start + 1
        elif c in "\"'":
            text, at = _quoted(expr, at)
            yield "quoted", text, start + 1
        else:
            while at < len(expr) and not _ends_word(expr, at):
                at += 1
            word = expr[start:at]
            yield word.lower() if word.lower() in _KEYWORDS else "word", word, start + 1
    yield "end", "", at + 1


def _ends_word(expr: str, at: int) -> bool:
    return expr[at] in " \t\r\n(),=<>~" or expr.startswith("!=", at)


def _quoted(expr: str, at: int) -> tuple[str, int]:
    """(the text, where it ends); a backslash takes the quote, or a backslash, as it is."""
    quote, start = expr[at], at
    out: list[str] = []
    at += 1
    while at < len(expr):
        if expr[at] == "\\" and expr[at + 1 : at + 2] in (quote, "\\"):
            at += 1
        elif expr[at] == quote:
            return "".join(out), at + 1
        out.append(expr[at])
        at += 1
    raise _wrong(start + 1, f"the quote {quote} is not closed")


class _Parser:
    """Recursive descent over the tokens; `depth` counts what is open."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at][0]

    def take(self, kind: str, else_say: str) -> Token:
        token = self.tokens[self.at]
        if token[0] != kind:
            raise _wrong(token[2], else_say)
        self.at += 1
        return token

    def accept(self, kind: str) -> bool:
        found = self.peek() == kind
        self.at += found
        return found

    def either(self, depth: int) -> Node:
        nodes = [self.both(depth)]
        while self.accept("or"):
            nodes.append(self.both(depth))
        kinds = _ALL.intersection(frozenset().union(*(kinds for _, kinds in nodes)))
        return (lambda entity: any(test(entity) for test, _ in nodes), kinds) if len(nodes) > 1 else nodes[0]

    def both(self, depth: int) -> Node:
        nodes = [self.one(depth)]
        while self.accept("and"):
            nodes.append(self.one(depth))
        kinds = _ALL.intersection(*(kinds for _, kinds in nodes))
        return (lambda entity: all(test(entity) for test, _ in nodes), kinds) if len(nodes) > 1 else nodes[0]

    def one(self, depth: int) -> Node:
        column = self.tokens[self.at][2]
        if depth > DEEPEST:
            raise _wrong(column, f"nested deeper than {DEEPEST} levels")
        if self.accept("not"):
            return _denied(*self.one(depth + 1))
        if self.accept("("):
            node = self.either(depth + 1)
            self.take(")", "expected `and`, `or` or `)`")
            return node
        return self.comparison()

    def comparison(self) -> Node:
        _, field, column = self.take("word", "expected a field")
        if not all(part and _is_name(part) for part in field.split(".")):
            raise _wrong(column, f"expected a field, not {field!r}")
        op, _, column = self.tokens[self.at]
        if op not in _OPS and op != "in":
            raise _wrong(column, "expected one of = != < <= > >= ~ in")
        self.at += 1
        if op != "in":
            return _compared(field, op, self.value(field))
        self.take("(", "expected `(` and the values after `in`")
        nodes = [_compared(field, "=", self.value(field))]
        while self.accept(","):
            nodes.append(_compared(field, "=", self.value(field)))
        self.take(")", "expected `,` or `)`")
        kinds = frozenset[str]().union(*(kinds for _, kinds in nodes))
        return lambda entity: any(test(entity) for test, _ in nodes), kinds

    def value(self, field: str) -> _Value:
        kind, text, column = self.tokens[self.at]
        if kind not in ("word", "quoted"):
            raise _wrong(column, "expected a value")
        self.at += 1
        return _Value(text, is_priority=field == "priority", is_null=kind == "word" and text.lower() == "null")


def _is_name(part: str) -> bool:
    return part.replace("_", "a").replace("-", "a").isalnum()


class _Value:
    """A value of the expression in each form that an entity may want it in."""

    def __init__(self, text: str, *, is_priority: bool, is_null: bool) -> None:
        self.text = text
        self.folded = text.casefold()
        self.is_null = is_null
        self.at_ms = to_ms(text)
        self.number = _number(text)
        if is_priority and len(text) == 2 and text[0] in "pP" and text[1] in "01234":
            self.number = int(text[1])

    def order(self, actual: Any) -> int | None:
        """-1, 0, 1 as `actual` is below, equal to or above this; None when the two do not compare."""
        wanted: Any = self.text
        if isinstance(actual, bool):
            return 0 if self.folded == ("true" if actual else "false") else None
        if isinstance(actual, (int, float)):
            wanted = self.number
        elif self.at_ms is not None and is_instant(actual):
            actual, wanted = to_ms(actual), self.at_ms
        if wanted is None or actual != actual:  # no number to compare with, or not a number
            return None
        return int(actual > wanted) - int(actual < wanted)


def _number(text: str) -> int | float | None:
    if not text or text.strip("0123456789.eE+-"):
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


_ORDERS: dict[str, tuple[int, ...]] = {"=": (0,), "<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1)}


def kind_of(entity: Mapping[str, Any]) -> str:
    return _OF_TYPE.get(str(entity.get("type")), "issue")


def _denied(test: Test, kinds: frozenset[str]) -> Node:
    return lambda entity: kind_of(entity) in kinds and not test(entity), kinds


def _compared(field: str, op: str, value: _Value) -> Node:
    if field == "kind" and value.text in COLLECTIONS and op in ("=", "!="):
        kinds = frozenset((value.text,)) if op == "=" else _ALL - {value.text}
        return lambda entity: kind_of(entity) in kinds, kinds
    kinds = frozenset(kind for kind in COLLECTIONS if kind == "issue" or field.split(".")[0] in _FIELDS[kind])
    test = _compare(field, "=" if op == "!=" else op, value)
    if op == "!=":
        return _denied(test, kinds)
    return lambda entity: kind_of(entity) in kinds and test(entity), kinds


def _compare(field: str, op: str, value: _Value) -> Test:
    if value.is_null:
        return lambda entity: op == "=" and _find(entity, field) is None
    if op == "~":
        return lambda entity: any(value.folded in _text(x) for x in _leaves(_find(entity, field)))
    orders = _ORDERS[op]
    return lambda entity: any(value.order(x) in orders for x in _leaves(_find(entity, field)))


def _text(actual: Any) -> str:
    if isinstance(actual, bool):
        return "true" if actual else "false"
    return str(actual).casefold()


def _find(value: Any, path: str) -> Any:
    """What stands at a dotted path, None when nothing does; a list on the way gives the list of what its items hold."""
    while isinstance(value, dict):
        if path in value:  # a key may itself hold dots
            return value[path]
        head, dot, path = path.partition(".")
        if not dot:
            return None
        value = value.get(head)
    if isinstance(value, list):
        found = [_find(item, path) for item in value if isinstance(item, dict)]
        return [item for item in found if item is not None] or None
    return None


def _leaves(value: Any) -> Iterator[Any]:
    """The plain values in a value, at any depth; nulls are left out, and keys are not values."""
    rest = [value]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(value)
        elif value is not None:
            yield value
