"""No text in a clone, on a command line or from a server can steer a terminal: it is shown, and JSON escapes it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tbdx
from conftest import Clone, Result, git
from damage import put_issue, ulid
from tbdx.cli.output import visible
from tbdx.cli.table import COMMANDS
from tbdx.core.jsontext import safe_dumps

HIDDEN = [
    *(c for c in range(0x20) if c not in (0x09, 0x0A)),
    *range(0x7F, 0xA0),
    0xAD,
    0x061C,
    *range(0x200B, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
]
RAW = frozenset(map(chr, HIDDEN)) | frozenset(map(chr, range(0xD800, 0xE000)))
# clear screen, title, clipboard, hyperlink, 8-bit CSI, overwriting, deleting, bidi, zero-width, tags, line separators
EVIL = (
    "E\x1b[2J\x1b]0;t\x07\x1b]52;c;eA==\x07\x1b]8;;http://x\x1b\\\x9b31m\x85\rover\x08\x7f"
    "\u202e\u2066\u200b\u200f\ufeff\u2028\u2029\u061c\xad\ufff9\U000e0041!"
)
BAD_BYTES = "\udcff\udc80"  # what Python makes of bytes in argv that are not UTF-8


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def harmless(done: Result, what: object) -> None:
    for text in (done.out, done.err):
        found = RAW.intersection(text)
        assert not found, (what, found, text[:500])
    assert "Traceback" not in done.err and '"code":"unexpected"' not in done.err, (what, done.err)


@pytest.fixture
def hostile(repo: Clone, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """A repository whose every text is EVIL, in every place that a clone can bring."""
    from tbdx.core import canon

    texts = dict.fromkeys(("description", "notes", "assignee", "delegate", "spec_path", "close_reason", "x_own"), EVIL)
    texts |= {"labels": [EVIL], "extensions": {EVIL: {EVIL: [EVIL]}}, EVIL: EVIL}
    texts |= {"docs": [{"path": EVIL, "role": EVIL}], "refs": [{"kind": EVIL, "url": EVIL, "title": EVIL}]}
    for n in (1, 2, 3):
        other = f"is-{ulid(n % 3 + 1)}"
        family = {"parent_id": f"is-{ulid(3)}", "dependencies": [{"type": "blocks", "target": other}]} if n < 3 else {}
        put_issue(repo, n, EVIL, **texts, **family)
    (repo.data / "issues" / f"is-{ulid(4)}.md").write_text(f"---\ntype: {json.dumps(EVIL)}\n---\n")
    (repo.data / "issues" / f"is-{EVIL.replace('/', '')}.md").write_text(EVIL)
    with (repo.data / "mappings/ids.yml").open("w") as f:
        f.write(f"{EVIL}\nab{EVIL}: {ulid(1)}\nabcd: {ulid(2)}\n")
    letter = {"type": "ms", "id": LETTER, "from": "agent:x", "to": ["human:x"], "recipients": ["human:x"]}
    letter |= {"subject": EVIL.replace("\n", " "), "importance": "normal", "ack_required": True, EVIL: EVIL}
    letter |= {"created_at": "2025-03-01T00:00:00.000Z"}
    agent = {"type": "agid", "id": f"agid-{ulid(1)}", "version": 1, "name": "x", "harness": EVIL, "host": EVIL}
    agent |= {"created_at": letter["created_at"], "updated_at": letter["created_at"], EVIL: EVIL}
    made = {"type": "ar", "id": ARTIFACT, "name": letter["subject"], "digest": digest(EVIL), "media_type": "text/plain"}
    made |= {"size": len(EVIL.encode()), "where": "git", "host": letter["subject"], "created_by": "agent:x", EVIL: EVIL}
    made |= {"created_at": letter["created_at"]}
    for folder, entity in (("messages", letter), ("agents", agent), ("artifacts", made)):
        (repo.data / folder).mkdir()
        (repo.data / folder / f"{entity['id']}.md").write_text(f"---\n{canon.dumps(entity)}---\n{EVIL}\n")
        (repo.data / folder / f"{entity['type']}-{ulid(2)}.md").write_text(EVIL)
    (repo.data / "artifacts/blobs").mkdir()
    (repo.data / "artifacts/blobs" / digest(EVIL)[7:]).write_text(EVIL)
    (repo.data / "attic").mkdir()
    at = "2025-03-01T00:00:00.000Z"
    entry = {"entity_id": f"is-{ulid(1)}", "timestamp": at, "field": "title", "lost_value": json.dumps(EVIL)}
    entry |= {"winner_source": EVIL, "loser_source": EVIL, "context": {"local_version": 1, EVIL: EVIL}}
    name = f"is-{ulid(1)}_{at.replace(':', '-')}_title.yml"
    (repo.data / "attic" / name).write_text(canon.dumps(entry))
    (repo.data / "attic" / f"{EVIL.replace('/', '')}.yml").write_text(EVIL)
    for name in ("w", EVIL.replace("/", "")):
        (repo.path / ".tbd/workspaces" / name / "issues").mkdir(parents=True)
        (repo.path / ".tbd/workspaces" / name / "issues" / f"is-{ulid(5)}.md").write_text(EVIL)
    with (repo.path / ".tbd/config.yml").open("a") as f:
        f.write(canon.dumps({EVIL: EVIL}))
    (repo.path / ".tbd/state.yml").write_text(f"agent_name: {json.dumps(EVIL)}\nagent_id: {json.dumps(EVIL)}\n")
    (repo.path / "issues.jsonl").write_text(
        json.dumps({"id": f"bd-{EVIL}", "title": EVIL, "status": EVIL}) + f"\n{EVIL}\n"
    )
    (repo.path / "note.md").write_text(f"---\ntitle: {json.dumps(EVIL)}\nstatus: {json.dumps(EVIL)}\n---\n{EVIL}\n")
    monkeypatch.setenv("TBD_AGENT", EVIL)
    monkeypatch.setenv("TBD_AGENT_MODEL", EVIL)
    monkeypatch.setenv("EDITOR", "true")
    return repo


LETTER, ARTIFACT = f"ms-{ulid(1)}", f"ar-{ulid(1)}"
ONE, TWO = f"is-{ulid(1)}", f"is-{ulid(2)}"
# every command with arguments that lead to its data; None: it takes no text of anybody
LINES: dict[str, list[str] | None] = {
    "init": ["init", "--prefix", "test"],
    "create": ["create", "--from-file", "note.md"],
    "show": ["show", ONE, TWO, "--show-order"],
    "update": ["update", ONE, "--from-file", "note.md"],
    "edit": ["edit", ONE],
    "start": ["start", ONE, TWO],
    "pause": ["pause", ONE, "--reason", EVIL],
    "resume": ["resume", ONE, "--reason", EVIL],
    "close": ["close", TWO, "--reason", EVIL],
    "reopen": ["reopen", TWO, "--reason", EVIL],
    "list": ["list", "--long"],
    "ready": ["ready", "--long"],
    "blocked": ["blocked", "--long"],
    "stale": ["stale", "--days", "0"],
    "search": ["search", "over"],
    "stats": ["stats"],
    "dep add": ["dep", "add", TWO, ONE],
    "dep remove": ["dep", "remove", TWO, ONE],
    "dep list": ["dep", "list", TWO],
    "label add": ["label", "add", ONE, EVIL + "2"],
    "label remove": ["label", "remove", ONE, EVIL + "2"],
    "label list": ["label", "list"],
    "ref add": ["ref", "add", ONE, "https://example.com/1", "--title", EVIL],
    "ref rm": ["ref", "rm", ONE, EVIL],
    "ref remove": ["ref", "remove", ONE, EVIL],
    "doc add": ["doc", "add", ONE, EVIL, "--role", EVIL],
    "doc rm": ["doc", "rm", ONE, EVIL],
    "doc remove": ["doc", "remove", ONE, EVIL],
    "changes": ["changes", "--since", "tbd-sync", "--all"],
    "sync": ["sync"],
    "bundle create": ["bundle", "create", EVIL],
    "bundle apply": ["bundle", "apply", EVIL],
    "merge-driver install": ["merge-driver", "install"],
    "merge-driver remove": ["merge-driver", "remove"],
    "merge-driver run": ["merge-driver", "run", EVIL, EVIL, EVIL, EVIL],
    "attic list": ["attic", "list"],
    "attic show": ["attic", "show", ONE, "2025-03-01T00:00:00.000Z"],
    "attic restore": ["attic", "restore", ONE, "2025-03-01T00:00:00.000Z"],
    "save": ["save", "--workspace", "saved"],
    "import": ["import", "issues.jsonl", "--verbose"],
    "workspace list": ["workspace", "list"],
    "workspace delete": ["workspace", "delete", "w"],
    "config show": ["config", "show"],
    "config get": ["config", "get", EVIL],
    "config set": ["config", "set", EVIL, "x"],
    "status": ["status"],
    "doctor": ["doctor"],
    "whoami": ["whoami"],
    "prime": ["prime"],
    "closing": ["closing"],
    "skill": ["skill"],
    "setup": ["setup", "--auto"],
    "uninstall": ["uninstall"],
    "shim install": ["shim", "install", "bin"],
    "demo": None,
    "wk get": ["wk", "get", ONE],
    "wk put": ["wk", "put", "note.md"],
    "wk query": ["wk", "query", "priority >= 0"],
    "ev emit": ["ev", "emit", "--type", "work.linked", "--ref", f"work_id={EVIL}", "--body", json.dumps({"url": EVIL})],
    "ev tail": ["ev", "tail"],
    "ev replay": ["ev", "replay", "events.jsonl"],
    "ev show": ["ev", "show", EVIL],
    "ev schema": ["ev", "schema"],
    "ev compact": ["ev", "compact"],
    "ev export": ["ev", "export"],
    "ev import": ["ev", "import", "events.jsonl"],
    "ev verify": ["ev", "verify"],
    "materialize": ["materialize", "work"],
    "msg send": ["msg", "send", "--to", "human:x", "--subject", EVIL.replace("\n", " "), "--body", EVIL],
    "msg recv": ["msg", "recv", "--me", "human:x"],
    "msg read": ["msg", "read", LETTER, "--me", "human:x"],
    "msg ack": ["msg", "ack", LETTER, "--me", "human:x"],
    "msg thread": ["msg", "thread", LETTER],
    "msg list": ["msg", "list", "--all"],
    "msg search": ["msg", "search", "over"],
    "comment": ["comment", ONE, EVIL],
    "handoff": ["handoff", ONE, "--to", "agent:x", "--summary", EVIL],
    "artifact add": ["artifact", "add", "note.md", "--as", "x", "--name", EVIL],
    "artifact list": ["artifact", "list"],
    # to a pipe its bytes go as they are; what a terminal is shown is in tests/kernel/test_artifacts.py
    "artifact get": ["artifact", "get", ARTIFACT, "-o", "got"],
    "artifact verify": ["artifact", "verify"],
    "agent register": ["agent", "register"],
    "agent list": ["agent", "list", "--all"],
    "agent show": ["agent", "show"],
    "agent retire": ["agent", "retire", "x"],
    "agent start": ["agent", "start"],
    "agent end": ["agent", "end"],
    "agent status": ["agent", "status", EVIL],
    "bus pub": ["bus", "pub", "--type", "work.linked", "--ref", f"work_id={EVIL}", "--body", json.dumps({"url": EVIL})],
    "bus sub": ["bus", "sub", "--timeout", "0"],
    "bus snapshot": ["bus", "snapshot"],
    "coord on": ["coord", "on"],
    "coord off": ["coord", "off"],
    "coord status": ["coord", "status"],
}


def test_every_command_is_among_them() -> None:
    assert LINES.keys() == COMMANDS.keys()


def test_no_command_prints_a_raw_control_character(hostile: Clone) -> None:
    for name, argv in LINES.items():
        if argv is None:
            continue
        for form in ([], ["--json"], ["--debug"], ["--color", "always"]):
            if form == ["--color", "always"] and name not in ("list", "status"):
                continue
            done = hostile.run(*argv, *form)
            if form == ["--color", "always"]:
                done.out = done.out.replace("\x1b[0m", "").replace("\x1b[2m", "").replace("\x1b[32m", "")
                done.out = done.out.replace("\x1b[33m", "").replace("\x1b[36m", "").replace("\x1b[31m", "")
            harmless(done, (argv, form))
    for argv in (["list", "--pretty"], ["list", "--specs"], ["list", "--all"], ["wk", "query", "priority >= 0"]):
        harmless(hostile.run(*argv), argv)


def test_json_still_holds_the_text(hostile: Clone) -> None:
    rows = hostile.json("list")
    assert [row["title"] for row in rows] == [EVIL] * 3 and rows[0]["labels"] == [EVIL]
    shown = hostile.json("show", ONE, "--no-parent")
    assert all(shown[name] == EVIL for name in ("title", "notes", "description", "assignee", "x_own", EVIL))
    assert hostile.json("label", "list") == [{"label": EVIL, "count": 3}]
    assert hostile.json("attic", "show", ONE, "2025-03-01T00:00:00.000Z")["winner_source"] == EVIL
    assert hostile.json("search", EVIL)[0]["match"] == EVIL
    assert hostile.json("config", "get", EVIL)["value"] == EVIL


def test_no_argument_comes_back_raw(hostile: Clone) -> None:
    for name, (_, _, arguments, _) in COMMANDS.items():
        if name in ("demo", "create"):
            continue
        argv = [*name.split(" "), *[EVIL for _ in arguments]]
        for form in ([], ["--json"]):
            harmless(hostile.run(*argv, *form), argv)
    for argv in ([EVIL], ["dep", EVIL], ["list", f"--{EVIL}"], ["list", f"-{EVIL}"], ["--color", EVIL, "list"]):
        harmless(hostile.run(*argv), argv)
        harmless(hostile.run("--json", *argv), argv)


def test_no_option_comes_back_raw(hostile: Clone) -> None:
    for name, (_, _, _, options) in COMMANDS.items():
        base = LINES[name]
        if base is None or name == "init":
            continue
        for _, ways, value, _ in options:
            if value:
                argv = [*base, ways[-1], EVIL]
                done = hostile.run(*argv, "--json" if len(ways[-1]) % 2 else "--quiet")
                harmless(done, argv)


def test_what_is_not_utf_8_on_the_command_line_is_refused_and_nothing_is_written(repo: Clone) -> None:
    one = repo.create("One")
    for argv in (
        ["create", BAD_BYTES],
        ["create", "x", "-d", BAD_BYTES],
        ["create", "x", "-l", BAD_BYTES],
        ["create", "x", "--assignee", BAD_BYTES],
        ["update", one, "--title", BAD_BYTES],
        ["update", one, "--add-label", BAD_BYTES],
        ["label", "add", one, BAD_BYTES],
        ["doc", "add", one, BAD_BYTES],
        ["ref", "add", one, f"https://example.com/{BAD_BYTES}"],
        ["ref", "add", one, "https://example.com/", "--title", BAD_BYTES],
        ["close", one, "--reason", BAD_BYTES],
        ["pause", one, "--reason", BAD_BYTES],
        ["config", "set", "sync.branch", BAD_BYTES],
        ["config", "set", "display.id_prefix", BAD_BYTES],
        ["show", BAD_BYTES],
        ["import", BAD_BYTES],
        ["workspace", "delete", BAD_BYTES],
        [BAD_BYTES],
    ):
        before = repo.file(one).read_bytes()
        done = repo.run(*argv, "--json")
        assert done.code in (1, 2) and done.out == "", (argv, done)
        harmless(done, argv)
        assert repo.file(one).read_bytes() == before and repo.json("list", "--count")["count"] == 1, argv
        assert repo.json("list")[0]["title"] == "One"
    for argv in (["list", "--label", BAD_BYTES], ["list", "--assignee", BAD_BYTES], ["search", BAD_BYTES]):
        done = repo.run(*argv)
        assert done.code == 0, done
        harmless(done, argv)


def test_bad_bytes_in_a_real_process(repo: Clone) -> None:
    for argv in ([b"show", b"\xff\x1b[2J\xe2\x80\xae"], [b"create", b"\xff"], [b"\xffnonsense"]):
        done = subprocess.run(
            [os.fsencode(sys.executable), b"-m", b"tbdx", *argv], cwd=repo.path, capture_output=True, timeout=30
        )
        assert done.returncode in (1, 2) and done.stdout == b""
        text = done.stderr.decode("utf-8")
        assert (argv[0] == b"create" or "\\udcff" in text) and not RAW.intersection(text), text


def test_what_a_server_says_is_shown_and_not_obeyed(clones: tuple[Clone, Clone], tmp_path: Path) -> None:
    a, _ = clones
    hook = tmp_path / "origin.git/hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    octal = "".join(f"\\{b:03o}" for b in EVIL.encode())
    hook.write_text(f"#!/bin/sh\nprintf '{octal} says no\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    a.create("One")
    for form in ([], ["--json"]):
        done = a.run("sync", *form)
        assert done.code == 6 and "says no" in done.err, done
        harmless(done, form)


def test_what_the_remote_calls_its_commits_is_shown(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    tree = a.git("rev-parse", "tbd-sync^{tree}").strip()
    evil = a.git("commit-tree", tree, "-p", "tbd-sync", "-m", EVIL.replace("\n", " ")).strip()
    a.git("push", "-q", "origin", f"{evil}:refs/heads/tbd-sync")
    b.run("list")
    for form in ([], ["--json"]):
        harmless(a.run("sync", "--status", *form), "status")


def test_a_branch_and_a_folder_of_any_name_are_shown(bare_git: Clone, tmp_path: Path) -> None:
    name = "f\u202e\u200b\xad\ufeffx"
    git(bare_git.path, "checkout", "-q", "-b", name)
    folder = bare_git.path / EVIL.replace("/", "")
    folder.mkdir()
    for argv in (["status"], ["list"], ["init", "--prefix", "test"], ["status"], ["doctor"]):
        for form in ([], ["--json"]):
            harmless(bare_git.run(*argv, *form, cwd=folder), argv)
    assert json.loads(bare_git.run("status", "--json").out)["git_branch"] == name


def test_visible_and_json_know_every_hidden_character() -> None:
    for c in RAW:
        assert visible(f"a{c}b").startswith("a\\") and not RAW.intersection(visible(f"é{c}\n"))
        text = safe_dumps({"k" + c: [c]})
        assert not RAW.intersection(text) and json.loads(text) == {"k" + c: [c]}
    assert visible("é 漢 😀\n\t✓") == "é 漢 😀\n\t✓"


def test_only_the_output_module_prints() -> None:
    found = []
    root = Path(tbdx.__file__).parent
    for path in sorted(root.rglob("*.py")):
        rel = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append((rel, node.lineno, "print"))
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text in (
                    "sys.stdout",
                    "sys.stderr",
                    "sys.__stdout__",
                    "sys.__stderr__",
                    "click.echo",
                    "click.secho",
                ):
                    found.append((rel, node.lineno, text))
                if text == "os.write":
                    found.append((rel, node.lineno, text))
    assert {rel for rel, _, _ in found} <= {
        "cli/output.py",
        "store/files.py",
        "store/process.py",
        "store/journal.py",
    }, found
    assert {what for rel, _, what in found if rel.startswith("store/")} <= {"os.write"}
