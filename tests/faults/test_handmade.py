"""Issue files that a person or another tool wrote, copied or took away: nothing of them is changed or lost (F3-F13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conftest import Clone
from damage import ISSUE, ulid
from kernel.test_sync import Clones, fields, settle, sync
from tbdx.core import merge
from tbdx.store import files

ID = f"is-{ulid(500)}"
PLAIN = ISSUE.format(id=ID, title="By hand") + "Some text.\n"
FORMS = {
    "line ends of Windows": PLAIN.replace("\n", "\r\n"),
    "blanks at line ends": PLAIN.replace("title: By hand", "title: By hand  ").replace("text.", "text.  \t"),
    "no last line end": PLAIN.rstrip("\n"),
    "tabs": PLAIN.replace("labels: []", "assignee: a\tb").replace("Some text.", "\tSome\ttext.\t|"),
    "comments and quotes": PLAIN.replace("kind: task", "# sort\nkind: 'task'  # of work"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_file_of_another_form_keeps_its_bytes_until_its_issue_is_changed(clones: Clones, name: str) -> None:
    a, b = clones
    path, data = a.data / "issues" / f"{ID}.md", FORMS[name].encode()
    path.write_bytes(data)
    assert [row["title"] for row in a.json("list")] == ["By hand"] and a.run("list").err.count("Skipping") == 0
    sync(a, b)
    assert path.read_bytes() == data == (b.data / "issues" / path.name).read_bytes()
    before = fields(b, ID)
    assert b.run("update", ID, "--priority", "0").code == 0
    after = fields(b, ID)
    assert {key for key in after if after[key] != before.get(key)} == {"priority", "version", "updated_at"}
    settle(b, a)


TRAPS = (
    """no Yes on ~ null true 1e3 0o7 010 1_000 1:30 2026-01-01 = << # : - -- --- ... [x] {x} &x *x !x % @ ` ' " > |
? .nan 0x1f +1 a\\ é漢😀""".split()
    + ["- x: #", "a: b", "a #b", " a", "a ", "\ta"]
)


def test_texts_that_look_like_something_else_stay_texts_there_and_back(clones: Clones) -> None:
    a, b = clones
    x = a.create("T")
    for clone, texts in ((a, TRAPS), (b, TRAPS[::-1])):
        sync(a, b)
        for text in texts:
            title = text.strip() or "x"
            argv = ("update", x, f"--title={title}", f"--assignee={text}", f"--add-label={text}")
            assert clone.run(*argv).code == 0, text
            shown = clone.json("show", x)
            assert (shown["title"], shown["assignee"]) == (title, text) and text.strip() in map(
                str.strip, shown["labels"]
            )
            clone.run("update", x, f"--remove-label={text}")
    sync(b, a)
    assert fields(a, x) == fields(b, x) and fields(a, x)["assignee"] == TRAPS[0]


def test_a_copy_of_an_issue_under_another_name_is_named_and_the_issue_stays_the_one(clones: Clones) -> None:
    a, b = clones
    x = a.create("The one")
    sync(a, b)
    data = a.file(x).read_bytes()
    copies = [a.data / "issues" / f"{ID}.md", a.data / "issues" / f"{a.file(x).stem.upper()}.md"]
    for copy in copies:
        copy.write_bytes(data)
    listed = a.run("list", "--json")
    assert listed.out.count("The one") == 1 and copies[0].name in listed.err and "the file is named" in listed.err
    assert a.run("update", x, "--priority", "0").code == 0
    done = a.run("sync", "--json")
    assert done.code == 1 and copies[0].name in done.out
    assert all(copy.read_bytes() == data for copy in copies) and fields(a, x)["priority"] == 0
    sync(b)
    assert fields(b, x)["priority"] == 0
    assert not (b.data / "issues" / copies[0].name).exists()


def test_a_text_beyond_the_limit_is_refused_and_made_by_hand_is_named_and_kept(repo: Clone) -> None:
    one = repo.create("One")
    path = repo.file(one)
    before = path.read_bytes()
    for argv in (["create", "x" * 1_000_000], ["create", "x", "-d", "x" * 10_000_000]):
        assert repo.run(*argv).code == 1, argv[0]
    assert repo.run("update", one, "--title", "x" * 1_000_000).code == 1 and path.read_bytes() == before
    path.write_bytes(data := before.replace(b"title: One", b"title: " + b"x" * 1_000_000))
    two = repo.create("Two")
    done = repo.run("list", "--json")
    assert done.code == 0 and two in done.out and path.name in done.err and len(done.err) < 1000
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    "argv", [["list"], ["ready"], ["blocked"], ["search", "T"], ["stats"], ["label", "list"], ["doctor"], ["sync"]]
)
def test_a_file_that_goes_just_before_it_is_read_stops_nothing(
    clones: Clones, monkeypatch: pytest.MonkeyPatch, argv: list[str]
) -> None:
    a, _ = clones
    x, y = a.create("Taken"), a.create("There")
    path, read, gone = a.file(x), files.read, list[str]()

    def late(of: str, *more: Any) -> bytes:
        if of == str(path) and not gone:
            Path(of).unlink()
            gone.append(of)
        return read(of, *more)

    monkeypatch.setattr(files, "read", late)
    done = a.run(*argv)
    assert done.code == 0 and gone and "Traceback" not in done.err, done
    assert [row["id"] for row in a.json("list")] == [y]
    sync(a)
    assert path.name not in a.git("ls-tree", "--name-only", "tbd-sync", merge.ISSUES)
