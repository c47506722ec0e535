"""Issue files: what a hand wrote stays, what is damaged is named with its line, nothing else is ever raised."""

import time
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tbdx.core import codec
from tbdx.core.entity import problems
from tbdx.errors import BadFile

few = settings(max_examples=60, deadline=None, database=None, derandomize=True)
many = settings(max_examples=800, deadline=None, database=None)

ID, OTHER = "is-01k00000000000000000000000", "is-01k00000000000000000000001"
NOW, LATER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
PLAIN = f"""\
---
type: is
id: {ID}
title: Fix it
kind: bug
status: open
priority: 1
version: 3
labels: []
dependencies: []
created_at: {NOW}
updated_at: {NOW}
---
What is wrong.

## Notes

What was tried.
"""


def read(data: bytes, expect: str | None = None) -> dict:
    return codec.parse(codec.decode(data), expect)


def edited(issue: dict, **fields: object) -> dict:
    """As every command edits: the fields, one more version, a new time."""
    return issue | fields | {"version": issue["version"] + 1, "updated_at": LATER}


def test_a_plain_file_reads_as_it_says() -> None:
    assert read(PLAIN.encode(), ID) == {
        "type": "is",
        "id": ID,
        "title": "Fix it",
        "kind": "bug",
        "status": "open",
        "priority": 1,
        "version": 3,
        "labels": [],
        "dependencies": [],
        "created_at": NOW,
        "updated_at": NOW,
        "description": "What is wrong.",
        "notes": "What was tried.",
    }


# --- our own files

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
bodies = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=60).filter(
    lambda text: "## notes" not in text.lower()
)
ids = st.sampled_from([ID, OTHER])
instants = st.sampled_from([NOW, LATER, "2026-01-01T00:00:00Z"])
free = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=5,
)
issues = st.fixed_dictionaries(
    {
        "type": st.just("is"),
        "id": ids,
        "title": words.filter(bool),
        "kind": st.sampled_from(["bug", "task"]),
        "status": st.just("open"),
        "priority": st.integers(0, 4),
        "version": st.integers(0, 10**9),
        "labels": st.lists(words, max_size=3),
        "dependencies": st.lists(ids.map(lambda of: {"type": "blocks", "target": of}), max_size=2),
        "created_at": instants,
        "updated_at": instants,
    },
    optional={
        "spec_path": words | st.none(),
        "docs": st.lists(st.fixed_dictionaries({"path": words}, optional={"role": words}), max_size=2),
        "assignee": words | st.none(),
        "child_order_hints": st.lists(ids, max_size=2) | st.none(),
        "due_date": instants | st.none(),
        "extensions": st.dictionaries(words, free, max_size=2),
        "mood": free,
        "description": bodies,
        "notes": bodies,
    },
)


def check_own_file(issue: dict) -> None:
    assert problems(issue) == []
    text = codec.render(issue)
    texts = {k: issue[k].strip(codec.BLANK) for k in ("description", "notes") if k in issue}
    whole = {k: v for k, v in issue.items() if k not in texts} | {k: v for k, v in texts.items() if v}
    again = read(text.encode(), issue["id"])
    assert again == whole
    assert codec.rewrite(text, again) == text
    assert codec.render(again) == text


@given(issues)
@few
def test_a_file_of_our_own_reads_back_and_keeps_every_byte(issue: dict) -> None:
    check_own_file(issue)


@pytest.mark.long
@given(issues)
@many
def test_a_file_of_our_own_reads_back_and_keeps_every_byte_many_times(issue: dict) -> None:
    check_own_file(issue)


# --- files made by hand

FORMS = {
    "type": ["type: is", "'type': is", "type: is # always"],
    "id": [f"id: {ID}", f'id: "{ID}"', f"id:   {ID}"],
    "title": [
        "title: Fix it",
        'title: "Fix it"',
        "title: 'Fix it'   # why",
        "title: >-\n  Fix\n  it",
        "title:\n  Fix it",
        '"title": Fix\n  it',
        'title: "Fix\\\n  \\ it"',
        'title: "a\n# b"',
        'title: "a\n\n\n  b"',
        "title: |\n  # no comment\n\n  x\n",
        "title: |+\n  x\n\n",
        "title: x\ty",
    ],
    "kind": ["kind: bug", "kind:  'bug'", ""],
    "status": ["status: open", "status: !open"[:0], 'status: "open" # yet'],
    "priority": ["priority: 1", "priority: 0x1", "priority:   01 # high", "priority: 3.0"],
    "version": ["version: 3", "version: 3 # counts"],
    "labels": [
        "labels: [a, b]",
        "labels: [a,\n  b,\n]",
        "labels:\n  - a\n  - b",
        "labels:\n- a\n- 'b' # last",
        "labels:\n  # first\n  - a\n\n  - b",
        "labels: [ ]",
        "",
    ],
    "dependencies": ["dependencies: []", f"dependencies: [{{type: blocks, target: {OTHER}}}]", ""],
    "created_at": [f"created_at: {NOW}", f"created_at: '{NOW}'"],
    "updated_at": [f"updated_at: {NOW}", f'updated_at: "{NOW}"'],
    "assignee": ["assignee: ~", "assignee:", "assignee: Null", "assignee: someone", ""],
    "extensions": ["extensions: {x: {y: 1}}", "extensions:\n    x:\n        y: 1  # one\n    z:   [  ]", ""],
    "mood": ["mood: 010", "mood: 2026-01-01", "mood: 1_000", "mood: =", "mood: |\n  a\n\n   b\n", ""],
    "later": ["later: {a: 1,\n  b: no\n}", "later: yes", ""],
}
between = st.sampled_from(["", "", "", "# a word\n", "\n", "# two\n\n# words\n"])
ends = st.sampled_from(
    ["---\n", "---", "---\n\n", "---\nText\n", "---\nText", "---  \nText\n", "---\n  Text\n\n\n## notes\nx"]
)


@st.composite
def by_hand(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["---\n", "---yaml\n", "--- \n"]))
    for name in draw(st.permutations(list(FORMS))):
        form = draw(st.sampled_from(FORMS[name]))
        text += draw(between) + (form.removesuffix("\n") + "\n" if form else "")
    return text + draw(between) + draw(ends)


TOUCHED = ("priority:", "version:", "updated_at:")
DEFAULTED = ("kind: task", "status: open", "labels: []", "dependencies: []")


def check_by_hand(text: str, newline: str) -> None:
    data = text.replace("\n", newline).encode()
    plain = codec.decode(data)
    assert plain == text
    issue = read(data, ID)
    # nothing changed: the same lines in tbd's order
    assert read(codec.rewrite(plain, issue).encode()) == issue
    new = edited(issue, priority=4)
    out = codec.rewrite(plain, new)
    assert read(out.encode(), ID) == new
    if '"a\n# b"' in text:
        return  # a line that only looks like a comment: the values count, not the form
    before, after = Counter(codec.split(plain)[0].split("\n")), Counter(codec.split(out)[0].split("\n"))
    assert all(line.startswith(TOUCHED) for line in before - after), before - after
    assert all(line.startswith((*TOUCHED, *DEFAULTED)) for line in after - before), after - before
    assert codec.split(plain)[1] == codec.split(out)[1]


BLANK_FIRST = (
    f"---\n\nkind: bug\nid: {ID}\n"
    + "".join(f"{FORMS[name][0]}\n" for name in FORMS if name not in ("id", "title", "kind")).replace(
        "dependencies:", "title: |+\n  x\n\ndependencies:"
    )
    + "---\n"
)


@given(by_hand(), st.sampled_from(["\n", "\r\n"]))
@example(BLANK_FIRST, "\n")
@few
def test_a_change_by_command_touches_only_its_lines_of_a_file_made_by_hand(text: str, newline: str) -> None:
    check_by_hand(text, newline)


@pytest.mark.long
@given(by_hand(), st.sampled_from(["\n", "\r\n"]))
@many
def test_a_change_by_command_touches_only_its_lines_of_a_file_made_by_hand_many_times(text: str, newline: str) -> None:
    check_by_hand(text, newline)


def test_an_unchanged_value_keeps_its_quotes() -> None:
    text = PLAIN.replace("title: Fix it", "title:  'Fix it'  # soon").replace("kind: bug", '# sort\nkind: "bug"')
    out = codec.rewrite(text, edited(codec.parse(text), priority=0))
    assert out == text.replace("priority: 1", "priority: 0").replace("version: 3", "version: 4").replace(
        f"updated_at: {NOW}", f"updated_at: {LATER}"
    )


def test_the_comment_of_a_value_that_went_stays() -> None:
    text = PLAIN.replace("labels: []", "labels: []\n# ask first\nassignee: 'someone'")
    issue = codec.parse(text)
    del issue["assignee"]
    out = codec.rewrite(text, issue)
    assert "# ask first\n" in out and "assignee" not in out


def test_a_line_that_only_looks_like_a_comment_is_not_torn_from_its_value() -> None:
    text = PLAIN.replace("title: Fix it\nkind: bug\n", "kind: bug\n").replace(
        "version: 3\n", 'title: "a\n# b"\nversion: 3\n'
    )
    issue = codec.parse(text)
    assert issue["title"] == "a # b"
    assert codec.parse(codec.rewrite(text, edited(issue, status="blocked"))) == edited(issue, status="blocked")


def test_a_changed_body_is_written_anew_and_the_head_is_kept() -> None:
    text = PLAIN.replace("title: Fix it", "title: 'Fix it'")
    new = codec.parse(text) | {"description": "Other."}
    del new["notes"]
    assert codec.rewrite(text, new) == text.partition("\n---\n")[0] + "\n---\nOther.\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no", "no"),
        ("1e3", 1000.0),
        ("0o7", 7),
        ("2026-01-01", "2026-01-01"),
        ("~", None),
        ("=", "="),
        ("1_000", "1_000"),
        ("010", 10),
        ("1:30", "1:30"),
        ("'123e4567'", "123e4567"),
        ("1e400", float("inf")),
    ],
)
def test_what_yaml_11_would_twist_is_kept(value: str, said: object) -> None:
    text = PLAIN.replace("updated_at", f"mood: {value}\nupdated_at")
    issue = codec.parse(text)
    assert issue["mood"] == said and type(issue["mood"]) is type(said)
    assert f"\nmood: {value}\n" in codec.rewrite(text, edited(issue, priority=2))
    assert codec.parse(codec.render(issue))["mood"] == said


@pytest.mark.parametrize("title", ["no", "2026-01-01", "1_000", "1:30", "=", "'123e4567'", '"010"', "'~'"])
def test_a_title_that_looks_like_something_else_stays_text(title: str) -> None:
    assert codec.parse(PLAIN.replace("Fix it", title))["title"] == title.strip("'\"")


# --- damaged files


def put(old: str, new: str) -> bytes:
    assert old in PLAIN
    return PLAIN.replace(old, new).encode()


BOMB = "a: &a [x]\n" + "".join(f"{b}: &{b} [" + f"*{a}," * 9 + "]\n" for a, b in pairwise("abcdefghi"))
DAMAGED = {
    "empty": (b"", 0, "the file is empty"),
    "NUL": (put("Fix it", "Fix\0it"), 4, "NUL bytes"),
    "only NULs": (b"\0" * 500, 1, "NUL bytes"),
    "not UTF-8": (put("Fix it", "Fix").replace(b"Fix", b"F\xff"), 4, "not UTF-8"),
    "half a character": (PLAIN.encode() + "é".encode()[:1], 19, "not UTF-8"),
    "BOM": (b"\xef\xbb\xbf" + PLAIN.encode(), 1, "begins with a byte order mark"),
    "UTF-16": (PLAIN.encode("utf-16"), 1, "NUL bytes"),
    "too large": (PLAIN.encode() + b"x" * 1_048_576, 0, "the file is larger than 1048576 bytes"),
    "cut off": (PLAIN[:60].encode(), 4, "missing front matter closing delimiter"),
    "no front matter": (b"Only text\n", 1, "missing front matter opening delimiter"),
    "another language": (b"---toml\na = 1\n---\n", 1, "missing front matter opening delimiter"),
    "empty front matter": (b"---\n---\n", 1, "type: Required"),
    "another id": (put(ID, OTHER), 3, f"id: the file is named {ID} but holds {OTHER}"),
    "no id": (put(f"id: {ID}\n", ""), 1, "id: Required"),
    "a key twice": (put("kind: bug", "kind: bug\ntitle: x"), 6, "title: given twice, first in line 4"),
    "a tag": (put("Fix it", "!!python/name:os.system x"), 4, "YAML tag"),
    "an anchor": (put("Fix it", "&x y"), 4, "anchors and aliases"),
    "an alias": (put("Fix it", "*x"), 4, "anchors and aliases"),
    "conflict markers": (
        put("kind: bug", "<<<<<<< ours\nkind: bug\n=======\nkind: task\n>>>>>>> x"),
        5,
        "conflict markers",
    ),
    "no YAML": (put("Fix it", "'Fix it"), 0, ""),
    "no value": (put("kind: bug", "kind bug"), 6, "expected `key: value`"),
    "nested too deep": (put("kind: bug", "deep: " + "[" * 100_000), 5, "nested deeper than 20 levels"),
    "a bomb": (put("kind: bug\n", BOMB), 5, "anchors and aliases"),
    "text in the head": (put("kind: bug", "description: x"), 5, "description belongs below the front matter"),
    "a wrong value": (put("priority: 1", "priority: 9"), 7, "priority: Invalid enum value"),
    "a wrong type": (put("labels: []", "labels: x"), 9, "labels: Expected a list of texts"),
    "a title that is a number": (put("Fix it", "123e4567"), 4, "title: Expected text"),
    "a huge number": (put("priority: 1", "priority: 0x" + "f" * 9_000), 7, "priority: Invalid enum value"),
    "a wrong value by hand": (put("kind: bug\nstatus: open", "# c\nkind: 'bug'\nstatus: opened"), 7, "status: Invalid"),
    "rules that span fields": (
        put("status: open", "status: open\nhold_until: " + NOW),
        7,
        "hold_until needs hold: paused",
    ),
    "a body too long": (PLAIN.encode() + b"x" * 50_001, 1, "notes: must be text of at most 50000 characters"),
}


@pytest.mark.parametrize(("data", "line", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_named_with_its_line(data: bytes, line: int, reason: str) -> None:
    codec.parse(PLAIN.replace("Fix it", "'Fix it'"))  # the first slow read pays for imports
    started = time.process_time()
    with pytest.raises(BadFile) as e:
        read(data, ID)
    assert reason in e.value.reason
    assert e.value.line == line or not reason
    if reason == "anchors and aliases":
        assert time.process_time() - started < 0.05


def test_crlf_counts_lines_as_an_editor_does() -> None:
    with pytest.raises(BadFile) as e:
        read(put("kind: bug", "kind: x").replace(b"\n", b"\r\n"))
    assert e.value.line == 5


def test_blank_lines_and_comments_do_not_shift_the_line() -> None:
    with pytest.raises(BadFile) as e:
        read(put("type: is", "\n# c\n\ntype: is").replace(b"version: 3", b"version: x"))
    assert e.value.line == 11


noise = st.binary(max_size=6) | st.sampled_from(
    [
        b"\n",
        b": ",
        b"- ",
        b"---\n",
        b"|",
        b"'",
        b'"',
        b"\t",
        b"\r",
        b"{",
        b"[",
        b"&a ",
        b"*a",
        b"!x ",
        b"#",
        b"\\U00110000",
        b"%",
        b"? ",
    ]
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = PLAIN.encode()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(noise) + data[at + draw(st.integers(0, 20)) :]
    return data


def check_only_bad_file(data: bytes) -> None:
    """Any bytes give BadFile, or an issue that is right and can be written again."""
    try:
        text = codec.decode(data)
        issue = codec.parse(text)
    except BadFile as e:
        assert 0 <= e.line <= data.count(b"\n") + 1
        return
    assert problems(issue) == []
    assert codec.parse(codec.decode(codec.rewrite(text, edited(issue, priority=4)).encode())) == edited(
        issue, priority=4
    )


@given(damaged() | st.binary(max_size=40) | st.binary(max_size=40).map(lambda x: b"---\n" + x + b"\n---\n"))
@few
def test_any_bytes_give_an_issue_or_bad_file(data: bytes) -> None:
    check_only_bad_file(data)


@pytest.mark.long
@given(damaged() | st.binary(max_size=40) | st.binary(max_size=40).map(lambda x: b"---\n" + x + b"\n---\n"))
@many
def test_any_bytes_give_an_issue_or_bad_file_many_times(data: bytes) -> None:
    check_only_bad_file(data)
