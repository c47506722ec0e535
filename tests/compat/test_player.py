"""The player of recorded sessions notices what differs, and nothing else.

A small tracker with random ids stands in for tbd. What one run of it answers is the recording; changed copies of it
are then played against that recording.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compat.normal import Placeholders, file_form, read_yaml
from compat.play import Session, differences, load_known, load_sessions, main, play
from compat.sandbox import Sandbox, documents

TRACKER = """\
import json, os, pathlib, random, subprocess, sys, time
data = pathlib.Path(".tbd/data-sync")
command, *rest = [word for word in sys.argv[1:] if word != "--json"]
now = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime()) + "%03d" % random.randrange(999) + "Z"
if command == "--version":
    print("tracker-7.3.1")
elif command == "init":
    for name in ("issues", "mappings"):
        (data / name).mkdir(parents=True)
    config = "tbd_version: tracker-7.3.1\\nsync: {branch: tbd-sync, remote: origin}\\n"
    pathlib.Path(".tbd/config.yml").write_text(config)
elif command == "create":
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    ulid = "01" + "".join(random.choices(alphabet, k=24))
    short = "".join(random.choices(alphabet[10:], k=4))
    (data / "issues" / f"is-{ulid}.md").write_text(
        f"---\\ntype: is\\nid: is-{ulid}\\ntitle: {rest[0]}\\npriority: 2\\n"
        f"created_at: {now}\\nupdated_at: {now}\\n---\\nText.\\n")
    ids = data / "mappings/ids.yml"
    lines = ids.read_text().splitlines() if ids.exists() else []
    ids.write_text("".join(line + "\\n" for line in sorted([*lines, f"{short}: {ulid}"])))
    print(json.dumps({"id": f"test-{short}", "internalId": f"is-{ulid}", "title": rest[0]}))
elif command == "list":
    for line in sorted((data / "mappings/ids.yml").read_text().splitlines(), key=lambda line: len(line)):
        print("test-" + line.split(":")[0], "open")
elif command == "show":
    path = next((data / "issues").glob("*.md"))
    print(json.dumps({"title": path.read_text().split("title: ")[1].split("\\n")[0], "seen": now, "in": os.getcwd()}))
elif command == "env":
    print(json.dumps({"env": dict(os.environ), "stdin": sys.stdin.read()}))
elif command == "hang":
    child = subprocess.Popen(["sleep", "60"])
    pathlib.Path(rest[0]).write_text(str(child.pid))
    time.sleep(60)
elif command == "quiet":
    pass
elif command == "fail":
    sys.exit("Error: no such thing as " + repr(rest))
else:
    print("error: unknown command", file=sys.stderr)
    sys.exit(1)
"""

STEPS: list[dict[str, Any]] = [
    {"run": ["create", "One", "--json"], "save": {"A": "id"}, "tree": True},  # 1
    {"run": ["show", "${A}", "--json"]},  # 2
    {"run": ["list"]},  # 3
    {"run": ["list"], "text": "ignore"},  # 4
    {"run": ["--version"], "text": "exact"},  # 5
    {"run": ["fail", "${A}"]},  # 6
    {"run": ["nonsense"]},  # 7
    {"run": ["quiet", "--json"]},  # 8
]

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """tracker(old, new): an executable copy of TRACKER in which the text old is new."""

    def make(old: str = "", new: str = "") -> Path:
        assert old in TRACKER
        path = tmp_path_factory.mktemp("tracker") / "tracker"
        path.write_text(f"#!{sys.executable} -IS\n" + TRACKER.replace(old, new, 1))
        path.chmod(0o755)
        return path

    return make


def record(exe: Path, steps: list[dict[str, Any]], setup: str = "default") -> Session:
    """What exe answers to the steps, as a session."""
    blank = Session("made", "none", setup, {}, [{**step, "answer": {}} for step in steps])
    answers = play(exe, blank)
    assert not [answer["trouble"] for answer in answers if "trouble" in answer]
    return Session("made", "none", setup, {}, [{**s, "answer": a} for s, a in zip(steps, answers, strict=True)])


@pytest.fixture(scope="module")
def session(tracker: Make) -> Session:
    """STEPS as the unchanged tracker answers them."""
    return record(tracker(), STEPS)


def steps_of(found: list[tuple[int, str]]) -> list[int]:
    return [step for step, _ in found]


def test_two_runs_of_one_tool_agree_though_their_ids_and_times_do_not(tracker: Make, session: Session) -> None:
    assert differences(session, play(tracker(), session)) == []
    answer = session.steps[0]["answer"]
    assert answer["json"] == {"id": "test-<S1>", "internalId": "is-<U1>", "title": "One"}
    assert answer["tree"]["a"] == {
        "layout": "plain",
        "sync_branch": None,
        "files": {
            "issues/is-<U1>.md": {
                "kind": "issue",
                "fields": {
                    "type": "is",
                    "id": "is-<U1>",
                    "title": "One",
                    "priority": 2,
                    "created_at": "<T>",
                    "updated_at": "<T>",
                },
                "body": "\nText.\n",
                "rel": {"updated_eq_created": True},
            },
            "mappings/ids.yml": {"kind": "ids", "map": {"<S1>": "<U1>"}, "sorted": True},
            "@.tbd/config.yml": {
                "kind": "yaml",
                "value": {"tbd_version": "<VERSION>", "sync": {"branch": "tbd-sync", "remote": "origin"}},
            },
        },
    }
    assert session.steps[1]["answer"]["json"] == {"title": "One", "seen": "<T>", "in": "<ROOT>/a"}


@pytest.mark.parametrize(
    ("old", "new", "step", "word"),
    [
        ('sys.exit("Error: no such thing as " + repr(rest))', 'print("x", file=sys.stderr); sys.exit(3)', 6, "exit 1"),
        ('sys.exit("Error: no such thing as " + repr(rest))', "sys.exit(1)", 6, "stderr"),
        ('"internalId": f"is-{ulid}", ', "", 1, "internalId"),
        ('"title": rest[0]}', '"title": [rest[0]]}', 1, "stdout.title"),
        ('"title": rest[0]}', '"title": rest[0] + "!"}', 1, "stdout.title"),
        ("print(json.dumps({", "print(({", 1, "no JSON"),
        ("priority: 2", "priority: 3", 1, "priority"),
        ("priority: 2", "priority: '2'", 1, "priority"),
        ("priority: 2", "priority: 2\\nextra: 1", 1, "extra"),
        ("title: {rest[0]}\\npriority: 2", "priority: 2\\ntitle: {rest[0]}", 1, "keys"),
        ("Text.", "Texts.", 1, "body"),
        ("updated_at: {now}", "updated_at: 2020-01-01T00:00:00.000Z", 1, "updated_at"),
        ("updated_at: {now}", "updated_at: {now[:20]}999Z", 1, "updated_eq_created"),
        ("branch: tbd-sync, remote: origin", "remote: origin, branch: tbd-sync", 1, "keys"),
        ("-{ulid}.md", "-{ulid}.txt", 1, "missing"),
        ('{short}: {ulid}"', '{short}: {ulid}", "zzzz9: x"', 1, "extra keys"),
        ('%03d" % random.randrange(999) + "Z"', '%03d" % random.randrange(999) + "+00:00"', 1, "<Toff>"),
        ('"test-" + line.split(":")[0]', '"test-x"', 3, "ids in stdout"),
        ('print("tracker-7.3.1")', 'print("tracker-7.3.1\\nmore")', 5, "stdout"),
        ('"seen": now', '"seen": 5', 2, "stdout.seen"),
    ],
)
def test_a_change_is_a_difference_of_its_step(
    tracker: Make, session: Session, old: str, new: str, step: int, word: str
) -> None:
    found = differences(session, play(tracker(old, new), session))
    assert step in steps_of(found)
    assert [text for number, text in found if number == step and word in text], found


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"title": rest[0]}', '"title": rest[0], "more": 1}'),
        ('"internalId": f"is-{ulid}", "title": rest[0]', '"title": rest[0], "internalId": f"is-{ulid}"'),
        ("priority: 2", "priority:   2   # two"),
        ("no such thing as", "what is"),
        ('"open"', '"still open"'),
        ("    sys.exit(1)", "    sys.exit(2)"),
        ("    pass", "    print('{}')"),
        ('    print("tracker-7.3.1")', '    print("tracker-7.3.1\\n")'),
        ("    ids = data", '    (data / "attic").mkdir(); (data / "attic/x.yml").write_text("a: 1")\n    ids = data'),
    ],
)
def test_what_is_allowed_is_no_difference(tracker: Make, session: Session, old: str, new: str) -> None:
    assert differences(session, play(tracker(old, new), session)) == []


def test_the_exit_code_two_is_allowed_for_usage_errors_only(tracker: Make, session: Session) -> None:
    wrong = tracker('sys.exit("Error: no such thing as " + repr(rest))', 'print("x", file=sys.stderr); sys.exit(2)')
    assert steps_of(differences(session, play(wrong, session))) == [6]


def test_only_the_keys_of_an_error_object_count() -> None:
    def found(got: dict[str, Any]) -> list[tuple[int, str]]:
        want = {"exit": 1, "stdout": "", "stderr": "x", "json_err": {"error": "words", "type": "T"}}
        session = Session("made", "", "none", {}, [{"run": ["a", "--json"], "answer": want}])
        return differences(session, [{**want, **got}])

    assert found({"json_err": {"error": "other words", "type": "U"}}) == []
    assert found({"json_err": {"error": "words"}}) == [(1, "stderr: missing keys ['type']")]


def test_true_is_not_one() -> None:
    want = {"exit": 0, "stderr": "", "json": {"a": True, "b": 1}}
    session = Session("made", "", "none", {}, [{"run": ["a", "--json"], "answer": want}])
    assert differences(session, [{**want, "json": {"a": True, "b": 1.0}}]) == []
    assert steps_of(differences(session, [{**want, "json": {"a": 1, "b": True}}])) == [1, 1]


TREE: dict[str, Any] = {
    "layout": "common",
    "sync_branch": [".tbd/data-sync/a.md", ".tbd/data-sync/attic/b.yml"],
    "files": {"issues/.gitkeep": {"kind": "text", "text": ""}, "attic/b.yml": {"kind": "yaml", "value": {"a": [1]}}},
}
KEPT, LOST = TREE["files"]["issues/.gitkeep"], TREE["files"]["attic/b.yml"]


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({}, []),
        ({"stdout": " \n"}, ["stdout"]),
        ({"stdout": "other words"}, []),
        ({"stdout": "1 test-<S1>"}, ["ids in stdout"]),
        ({"stderr": "a warning, but no failure"}, []),
        ({"exit": "timeout"}, ["exit 0 != "]),
        ({"trouble": "not saved"}, ["not saved"]),
        ({"tree": {}}, ["a: no files"]),
        ({"tree": {"a": TREE, "b": TREE}}, []),
        ({"tree": {"a": {**TREE, "layout": "plain"}}}, ["a: layout"]),
        ({"tree": {"a": {**TREE, "sync_branch": None}}}, ["a: files on the sync branch"]),
        ({"tree": {"a": {**TREE, "sync_branch": [".tbd/data-sync/a.md"]}}}, []),
        ({"tree": {"a": {**TREE, "sync_branch": [".tbd/data-sync/x.md"]}}}, ["a: files on the sync branch[0]"]),
        ({"tree": {"a": {**TREE, "files": {"issues/.gitkeep": KEPT}}}}, ["a: attic/b.yml: missing"]),
        ({"tree": {"a": {**TREE, "files": {**TREE["files"], "attic/c.yml": LOST}}}}, []),
        ({"tree": {"a": {**TREE, "files": {**TREE["files"], "issues/c": KEPT}}}}, ["a: issues/c: not"]),
        ({"tree": {"a": {**TREE, "files": {"issues/.gitkeep": LOST, "attic/b.yml": LOST}}}}, ["a: issues/.gitkeep: t"]),
        (
            {"tree": {"a": {**TREE, "files": {"issues/.gitkeep": {"kind": "text", "text": "x"}, "attic/b.yml": LOST}}}},
            ["a: issues/.gitkeep: text"],
        ),
    ],
)
def test_text_and_files(change: dict[str, Any], differs: list[str]) -> None:
    want = {"exit": 0, "stdout": "words", "stderr": "", "tree": {"a": TREE}}
    session = Session("made", "", "none", {}, [{"run": ["list"], "tree": True, "answer": want}])
    found = differences(session, [{**want, **change}])
    assert len(found) == len(differs)
    assert all(text.startswith(start) for (_, text), start in zip(found, differs, strict=True))


@pytest.mark.parametrize(
    ("value", "differs"),
    [
        ({"a": {"b": [1, 2]}, "c": 3}, ""),
        ({"a": {"b": [1, 4]}, "c": 3}, "x.a.b[1]: 2 != 4"),
        ({"a": {"b": [1]}, "c": 3}, "x.a.b: [1, 2] != [1]"),
        ({"a": {"b": [1, 2], "d": 4}, "c": 3}, "x.a: extra keys ['d']"),
        ({"a": {"b": [1, 2]}}, "x: missing keys ['c']"),
    ],
)
@pytest.mark.parametrize(("kind", "key"), [("issue", "fields"), ("yaml", "value")])
def test_values_in_files(kind: str, key: str, value: dict[str, Any], differs: str) -> None:
    def answer(of: dict[str, Any]) -> dict[str, Any]:
        file = {"kind": kind, key: of, "body": "", "rel": {}}
        return {"tree": {"a": {"layout": None, "sync_branch": None, "files": {"x": file}}}}

    want = answer({"a": {"b": [1, 2]}, "c": 3})
    session = Session("made", "", "none", {}, [{"tree": True, "answer": want}])
    found = [text for _, text in differences(session, [answer(value)])]
    assert found == [] if not differs else f"a: {differs}" in found


@pytest.mark.parametrize(
    ("exit_code", "got", "differs"),
    [
        (0, {"json": {"a": 1}}, False),  # where tbd says nothing, JSON is welcome
        (0, {"stdout": "words"}, False),
        (1, {"json": {"a": 1}}, True),
        (1, {"json_err": {"error": "x"}}, True),
        (1, {"stdout": "words"}, False),
        (1, {"stderr": ""}, True),
    ],
)
def test_json_where_tbd_has_none(exit_code: int, got: dict[str, Any], differs: bool) -> None:
    want = {"exit": exit_code, "stdout": "", "stderr": "x"}
    session = Session("made", "", "none", {}, [{"run": ["list", "--json"], "answer": want}])
    assert bool(differences(session, [{**want, **got}])) == differs


def test_unsorted_ids_are_a_difference_unless_git_merged_them() -> None:
    def found(setup: str) -> list[int]:
        def answer(in_order: bool) -> dict[str, Any]:
            files = {"mappings/ids.yml": {"kind": "ids", "map": {}, "sorted": in_order}}
            return {"tree": {"a": {"layout": "plain", "sync_branch": None, "files": files}}}

        session = Session("made", "", setup, {}, [{"tree": True, "answer": answer(True)}])
        return steps_of(differences(session, [answer(False)]))

    assert (found("default"), found("remote")) == ([1], [])


def test_a_step_that_cannot_be_done_is_a_difference_and_the_rest_is_played(tracker: Make) -> None:
    steps: list[dict[str, Any]] = [
        {"run": ["quiet", "--json"], "save": {"A": "id"}},
        {"edit_issue": {"id": "test-none", "crlf": True}},
        {"run": ["show", "${A}", "--json"]},
        {"run": ["quiet"]},
    ]
    session = Session("made", "", "none", {}, [{**step, "answer": {}} for step in steps])
    answers = play(tracker(), session)
    assert set(steps_of(differences(session, answers))) == {1, 2, 3, 4}  # the last for its exit code alone
    assert ["trouble" in answer for answer in answers] == [True, True, True, False]


def test_steps_that_change_files_and_repositories(tracker: Make) -> None:
    """What the executable does not do itself: each kind of step, seen in the files after it."""
    steps: list[dict[str, Any]] = [
        {"run": ["create", "One", "--json"], "save": {"A": "id", "I": "internalId"}},
        {"edit_issue": {"id": "${A}", "replace": [["One", "Two"]], "regex": [["^priority: .*$", "priority: 0"]]}},
        {"edit_issue": {"id": "${I}", "crlf": True}, "tree": True},
        {"write_data": {"path": "issues/${I}.txt", "text": "${A}\n"}, "tree": True},
        {"delete_issue": "${A}", "tree": True},
        {"write": {"path": "x/y.txt", "text": "y"}},
        {"git": ["add", "y.txt"], "cwd": "x"},
        {"git": ["commit", "-qm", "y"]},
        {"git": ["push", "-q", "origin", "HEAD:tbd-sync"]},
        {"clone": "c"},
        {"git": ["branch", "-q", "tbd-sync", "origin/tbd-sync"], "in": "c"},
        {"in": "c", "save_head": "H"},
        {"in": "c", "run": ["fail", "${H}"], "tree": "all"},
        {"sleep": 0.01},
        {"tree": True},
    ]
    session = record(tracker(), steps, "remote")
    files = {n: s["answer"]["tree"]["a"]["files"] for n, s in enumerate(session.steps, 1) if "tree" in s}
    issue = files[3]["issues/is-<U1>.md"]
    assert (issue["fields"]["title"], issue["fields"]["priority"]) == ("Two", 0)
    assert files[4]["issues/is-<U1>.txt"] == {"kind": "text", "text": "test-<S1>\n"}
    assert "issues/is-<U1>.md" in files[4] and "issues/is-<U1>.md" not in files[5]
    last = session.steps[12]["answer"]
    assert sorted(last["tree"]) == ["a", "b", "c"]
    assert "x/y.txt" in last["tree"]["c"]["sync_branch"] and last["tree"]["b"]["sync_branch"] is None
    assert "['<SHA1>']" in last["stderr"]


def test_crlf_is_written(tmp_path: Path) -> None:
    with Sandbox("unused") as sandbox:
        sandbox.prepare()
        for path, text in (("mappings/ids.yml", "ab: 01hx5zzkbkactav9wevgemmvrz\n"), ("issues/.gitkeep", "")):
            (sandbox.root / "a/.tbd/data-sync" / path).parent.mkdir(parents=True, exist_ok=True)
            sandbox.take({"write_data": {"path": path, "text": text}})
        issue = sandbox.data("a") / "issues/is-01hx5zzkbkactav9wevgemmvrz.md"
        issue.write_bytes(b"a\r\nb\n")
        assert sandbox.take({"edit_issue": {"id": "x-ab", "crlf": True}}).trouble is None
        assert issue.read_bytes() == b"a\r\nb\r\n"


@pytest.mark.parametrize("setup", ["git", "default", "remote"])
def test_repositories_start_on_main_without_the_init_option_of_newer_gits(setup: str, tracker: Make) -> None:
    with Sandbox(str(tracker()), setup) as sandbox:
        (sandbox.root / "home/.gitconfig").write_text("[user]\n\tname = Session\n\temail = session@example.com\n")
        sandbox.prepare()
        for clone in sandbox.clones:
            assert sandbox.git("symbolic-ref", "HEAD", cwd=sandbox.root / clone) == "refs/heads/main\n"
    assert not sandbox.root.exists()


def test_nothing_of_this_machine_reaches_the_executable(tracker: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "TBD_AGENT", "XDG_CONFIG_HOME", "CI", "FORCE_COLOR", "SOME_HARNESS"):
        monkeypatch.setenv(name, "/elsewhere")
    session = record(tracker(), [{"run": ["env", "--json"], "env": {"TBD_MINE": "kept"}}])
    seen = session.steps[0]["answer"]["json"]
    assert "/elsewhere" not in seen["env"].values()
    assert (seen["stdin"], seen["env"]["TBD_MINE"], seen["env"]["TZ"]) == ("", "kept", "UTC")
    assert (seen["env"]["HOME"], seen["env"]["TMPDIR"]) == ("<ROOT>/home", "<ROOT>/tmp")


def test_a_step_has_a_time_limit_and_leaves_no_process(tracker: Make, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    begin = time.monotonic()
    session = record(tracker(), [{"run": ["hang", str(note)], "timeout": 1}], "none")
    assert session.steps[0]["answer"]["exit"] == "timeout"
    assert time.monotonic() - begin < 30
    for _ in range(100):  # the orphan is gone as soon as whoever inherited it has noticed
        if _has_ended(int(note.read_text())):
            return
        time.sleep(0.05)
    pytest.fail("a process that the executable had started is still running")


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"


# Placeholders and files


def names(script: str = "", **shorts: str) -> Placeholders:
    return Placeholders("/r/oot", "9.8.7", "2.1.0", shorts, script)


def test_placeholders_are_numbered_by_first_appearance_and_shared_by_short_ids() -> None:
    one, two = "01hx5zzkbkactav9wevgemmvrz", "01hx5zzkbkbctav9wevgemmvrz"
    text = names(abcd=one, wxyz=two).text
    assert text(f"p.q-wxyz is-{one} {two} abcd xabcd a/abcd") == "p.q-<S1> is-<U2> <U1> <S2> xabcd a/abcd"
    assert text("/r/oot/a tbd 9.8.7 git 2.1.0") == "<ROOT>/a tbd <VERSION> git <GIT>"
    assert text("0" * 39 + "a " + "1" * 40 + " " + "0" * 39 + "a") == "<SHA1> <SHA2> <SHA1>"
    assert text("dead1234 deadbeef 12345678") == "<sha> deadbeef 12345678"
    assert text("12345678-abcd-4abc-8abc-1234567890ab") == "<UUID1>"


def test_what_the_session_spells_out_stays() -> None:
    ulid, moment = "01hx5zzkbkactav9wevgemmvrz", time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    said = f"test-abcd {ulid} {moment} 2025-02-03T04-05-06.789Z"
    assert names(f"see: {said}", abcd=ulid).text(said) == said
    assert names(abcd=ulid).text(said) == "test-<S1> <U1> <T> <TF>"


def test_times_show_their_precision_and_only_those_of_this_run_are_replaced() -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    said = f"{now}.123Z {now}Z {now}.123456Z {now}.123+02:00 2020-01-02T03:04:05.000Z"
    assert names().text(said) == "<T> <Tsec> <Tfrac> <Toff> 2020-01-02T03:04:05.000Z"


def test_yaml_is_read_as_tbd_reads_it() -> None:
    text = "a: 2020-01-02T03:04:05.000Z\nb: 2020-01-02\nc: yes\nd: 1_000\ne: 010\nf: [true, ~, 1e3, 1:30]\n<<: {g: 1}\n"
    assert read_yaml(text) == {
        "a": "2020-01-02T03:04:05.000Z",
        "b": "2020-01-02",
        "c": "yes",
        "d": "1_000",
        "e": 10,
        "f": [True, None, 1000.0, "1:30"],
        "<<": {"g": 1},
    }
    assert read_yaml("a: 1\na: 2\n") == {"a": 2}


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("issues/is-1.md", "---\na: [\n---\n", "bad-issue"),
        ("issues/is-1.md", "---\na: 1\n", "bad-issue"),
        ("issues/is-1.md", "---\n- a\n---\n", "bad-issue"),
        ("issues/is-1.md", "no front matter", "text"),
        ("README.md", "---\na: 1\n---\n", "text"),
        ("mappings/ids.yml", "a: b: c", "bad-ids"),
        ("attic/x.yml", "a: [", "bad-yaml"),
    ],
)
def test_files_that_cannot_be_read_have_kinds_of_their_own(name: str, text: str, kind: str) -> None:
    assert file_form(name, text, names())["kind"] == kind


def test_order_of_ids_is_seen() -> None:
    assert file_form("ids.yml", "'10': x\n9: y\n", names()) == {
        "kind": "ids",
        "map": {"10": "x", "9": "y"},
        "sorted": True,
    }
    assert file_form("ids.yml", "9: y\n10: x\n", names())["sorted"] is False


def test_documents_are_read_up_to_the_first_prose() -> None:
    assert documents('{"a": 1}\n[2]\nDone. {"b": 3}') == [{"a": 1}, [2]]
    assert documents("Done.") == []


# Command line


@pytest.fixture
def folder(session: Session, tmp_path: Path) -> Path:
    """A folder with two recorded sessions, first and second."""
    sessions = tmp_path / "sessions"
    sessions.mkdir()
    for name in ("first", "second"):
        data = {"name": name, "area": "", "setup": "default", "steps": session.steps}
        (sessions / f"{name}.json").write_text(json.dumps(data))
    return sessions


def known_file(folder: Path, *entries: tuple[str, int]) -> str:
    path = folder.parent / "known.yml"
    path.write_text("".join(f"- {{scenario: {name}, step: {step}, reason: meant}}\n" for name, step in entries))
    return str(path)


def test_exit_code_and_lines(tracker: Make, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = str(tracker()), str(tracker('"seen": now', '"seen": 5'))
    options = ["--sessions", str(folder), "-j", "2"]

    assert main([good, *options]) == 0
    assert "2 of 2 sessions, 16 of 16 steps agree" in capsys.readouterr().out

    assert main([bad, *options]) == 1
    out = capsys.readouterr().out
    assert "first: 1 of 8 steps differ\n  first 2 differs [show ${A} --json]\n      stdout.seen" in out
    assert "0 of 2 sessions, 14 of 16 steps agree" in out

    assert main([bad, *options, "--known", known_file(folder, ("first", 2), ("second", 2))]) == 0
    assert "first: ok, 1 differ as listed" in capsys.readouterr().out

    assert main([bad, *options, "--known", known_file(folder, ("first", 2))]) == 1
    assert main([bad, *options, "-k", "first", "--known", known_file(folder, ("first", 2))]) == 0


@pytest.mark.parametrize("entry", [("first", 3), ("no-such-session", 1), ("first", 99)])
def test_a_listed_difference_that_does_not_occur_fails(
    tracker: Make, folder: Path, entry: tuple[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tracker()), "--sessions", str(folder), "--known", known_file(folder, entry)]) == 1
    assert f"listed, but does not differ: {entry[0]} {entry[1]} (meant)" in capsys.readouterr().out


def test_with_k_what_is_listed_for_other_sessions_is_not_asked_for(tracker: Make, folder: Path) -> None:
    known = known_file(folder, ("second", 3))
    assert main([str(tracker()), "--sessions", str(folder), "-k", "first", "--known", known]) == 0
    assert main([str(tracker()), "--sessions", str(folder), "-k", "second", "--known", known]) == 1


@pytest.mark.parametrize("arguments", [["/no/such/executable"], [sys.executable, "-k", "no such session"]])
def test_nothing_to_play_is_an_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_v_shows_the_steps_that_agree_too(tracker: Make, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(tracker()), "--sessions", str(folder), "-k", "first", "-v"])
    assert "first 3 ok [list]" in capsys.readouterr().out


def test_keep_leaves_the_folder(
    tracker: Make, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    main([str(tracker()), "--sessions", str(folder), "-k", "first", "--keep"])
    kept = capsys.readouterr().err.split()[-1]
    assert (Path(kept) / "a/.tbd/data-sync/issues").is_dir()


def test_a_difference_needs_a_reason_and_is_listed_once(tmp_path: Path) -> None:
    path = tmp_path / "known.yml"
    path.write_text("[]\n")
    assert load_known(path) == {}
    for text in ("- {scenario: a, step: 1, reason: ' '}", "- {scenario: a, step: 1, reason: b}\n" * 2):
        path.write_text(text)
        with pytest.raises(ValueError, match="listed twice or without a reason"):
            load_known(path)


def test_recorded_answers_agree_with_themselves() -> None:
    """Every rule applied to every recorded answer; a recorded answer leaves stdout out beside json."""
    for session in load_sessions():
        assert differences(session, [{"stdout": "", **step["answer"]} for step in session.steps]) == []
