"""`tbdx bus`: lines in, lines out, and exit codes that a script can go by."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.test_places import closed_pipe
from conftest import Clone
from happening import row, writer

TBDX = [sys.executable, "-m", "tbdx", "bus"]
LIMIT_S = 20


def started(cwd: Path, *argv: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen([*TBDX, *argv], cwd=cwd, stdout=-1, stderr=-1, text=True, **more)


def ran(cwd: Path, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*TBDX, *argv], cwd=cwd, input=stdin, capture_output=True, text=True, timeout=LIMIT_S)


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_publishes_by_options_and_another_reads_past_a_cursor(repo: Clone) -> None:
    at = rows(repo.run("bus", "sub", "--timeout", "0").out)[-1]["body"]["cursor"]
    options = ("--type", "deploy.finished", "--ref", "work_id=is-1", "--body", '{"env":"ci"}')
    done = repo.run("bus", "pub", *options, "--as", "ci", "--idempotency-key", "k")
    again = repo.run("bus", "pub", *options, "--as", "ci", "--idempotency-key", "k")
    (ack,), (other,) = rows(done.out), rows(again.out)
    assert (done.code, again.code, ack["seq"], ack["duplicate"], other["duplicate"]) == (0, 0, 1, False, True)
    shown = repo.run("bus", "sub", "--since", at, "--type", "deploy.*", "--count", "1")
    event, bookmark = rows(shown.out)
    assert shown.code == 0 and event["event_id"] == ack["event_id"] and event["actor"]["agent_id"] == "agent:ci"
    snapshot = json.loads(repo.run("bus", "snapshot", "--since", at).out)
    assert snapshot["events"] == [event] and snapshot["cursor"] == bookmark["body"]["cursor"]
    view = json.loads(repo.run("bus", "snapshot", "--view", "agents").out)
    assert view["rows"]["agent:ci"]["events"] == 1 and view["digest"]


def test_lines_are_published_one_by_one_and_a_bad_one_is_told_and_stepped_over(repo: Clone) -> None:
    made = row(writer("zoe"), (1, "x.made", {}))[0].decode()
    lines = ['{"type":"x.y"}', "nonsense", "", '{"type":"x"}', made, '{"type":"bus.bookmark","body":{"cursor":"c"}}']
    secret = '{"type":"x.y","body":{"t":"ghp_0123456789abcdefghijABCDEFGHIJ012345"}}'
    done = ran(repo.path, "pub", stdin="\n".join([*lines, secret, made]))
    acks = rows(done.stdout)
    assert done.returncode == 1 and [ack["duplicate"] for ack in acks] == [False, False, True]
    told = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert told == ["⚠ line 2", "⚠ line 4", "⚠ line 7"]
    assert ran(repo.path, "pub", "--allow-secret", stdin=secret).returncode == 0
    assert ran(repo.path, "pub", "-", "--dry-run", stdin='{"type":"x.y"}').stdout.startswith("[DRY-RUN]")
    types = [e["type"] for e in rows(repo.run("bus", "sub", "--timeout", "0").out)]
    assert sorted(types) == ["bus.bookmark", "x.made", "x.y", "x.y"]


@pytest.mark.parametrize(
    "argv",
    [
        ["pub", "file.jsonl"],
        ["pub", "-", "--type", "x.y"],
        ["pub", "--type", "x"],
        ["pub", "--type", "x.y", "--body", "[]"],
        ["pub", "--type", "x.y", "--ref", "x"],
        ["sub", "--timeout", "soon"],
        ["sub", "--timeout", "-1"],
        ["sub", "--timeout", "nan"],
        ["sub", "--count", "0"],
        ["sub", "--count", "²"],
        ["sub", "--since", "yesterday"],
        ["snapshot", "--view", "weather"],
        ["snapshot", "--bus", "carrier-pigeon:"],
    ],
)
def test_what_is_wrong_on_the_command_line_is_2(repo: Clone, argv: list[str]) -> None:
    done = repo.run("bus", *argv)
    assert done.code == 2 and done.out == "" and "Error" in done.err, done


def test_a_stream_that_ends_without_an_event_is_3(repo: Clone) -> None:
    repo.run("bus", "pub", "--type", "x.y")
    assert repo.run("bus", "sub", "--timeout", "0").code == 0
    none = repo.run("bus", "sub", "--timeout", "0.1", "--type", "z.z")
    assert none.code == 3 and [r["type"] for r in rows(none.out)] == ["bus.bookmark"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stream_prints_at_once_and_a_signal_ends_it_with_its_bookmark(repo: Clone, number: int, code: int) -> None:
    repo.run("bus", "pub", "--type", "x.y")
    with started(repo.path, "sub") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "x.y"
        repo.run("bus", "pub", "--type", "x.z")
        assert json.loads(process.stdout.readline())["type"] == "x.z"
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT_S)
    assert process.returncode == code and err == ""
    (bookmark,) = rows(out)
    assert repo.run("bus", "sub", "--since", bookmark["body"]["cursor"], "--timeout", "0").code == 3


def test_a_reader_that_goes_ends_a_stream_quietly_also_while_nothing_comes(repo: Clone) -> None:
    repo.run("bus", "pub", "--type", "x.y")
    with started(repo.path, "sub") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        begun = time.monotonic()
        assert process.wait(LIMIT_S) == 0 and process.stderr.read() == ""
        assert time.monotonic() - begun < LIMIT_S / 2
    writing = closed_pipe()
    done = subprocess.run([*TBDX, "sub"], cwd=repo.path, stdout=writing, stderr=-1, text=True, timeout=LIMIT_S)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# stdin and stdout


def test_a_pipe_is_a_bus_and_its_answers_go_beside_it(repo: Clone) -> None:
    given = '{"type":"x.y"}\n{"type":"x.z"}\n'
    sent = ran(repo.path, "pub", "--bus", "stdio:", stdin=given)
    assert sent.returncode == 0 and [r["type"] for r in rows(sent.stdout)] == ["x.y", "x.z"]
    assert [r["seq"] for r in rows(sent.stderr)] == [1, 2] and rows(sent.stderr)[0]["durability"] == "local"
    mine = rows(ran(repo.path, "sub", "--timeout", "0").stdout)
    assert rows(sent.stdout) == mine[:-1]  # the same in the journal, line for line


def test_a_stream_on_stdin_needs_no_repository_and_ends_with_its_end(tmp_path: Path) -> None:
    lines = [raw.decode() for raw in row(writer("zoe"), *((n, f"x.y{n}", {}) for n in range(3)))]
    first = ran(tmp_path, "sub", "--bus", "bus://stdio", "--type", "x.y0", stdin="\n".join(lines[:2]))
    shown, bookmark = rows(first.stdout)
    assert first.returncode == 0 and json.dumps(shown, separators=(",", ":")) == lines[0]
    text = "\n".join([*lines[:2], "no event", '{"derived":true}', "x" * 600_000, *lines])
    again = ran(tmp_path, "sub", "--bus", "bus://stdio", "--since", bookmark["body"]["cursor"], stdin=text)
    assert [r["type"] for r in rows(again.stdout)] == ["x.y2", "bus.bookmark"]
    assert [line.split(":")[0] for line in again.stderr.splitlines()] == ["⚠ line 3", "⚠ line 4", "⚠ line 5"]
    none = ran(tmp_path, "sub", "--bus", "stdio:")
    assert none.returncode == 3 and len(rows(none.stdout)) == 1
    whole = json.loads(ran(tmp_path, "snapshot", "--bus", "stdio:", stdin="\n".join(lines)).stdout)
    assert len(whole["events"]) == 3 and whole["complete"] is True


def test_what_a_stream_of_one_clone_shows_another_takes_in_byte_for_byte(clones: tuple[Clone, Clone]) -> None:
    a, b = clones
    x = a.create("a\u200bb é")
    a.run("close", x)
    text = a.run("bus", "sub", "--timeout", "0").out
    done = ran(b.path, "pub", stdin=text)
    assert done.returncode == 0 and [r["duplicate"] for r in rows(done.stdout)] == [False, False]
    assert b.run("ev", "export").out == a.run("ev", "export").out
    assert all(r["duplicate"] for r in rows(ran(b.path, "pub", stdin=b.run("bus", "sub", "--timeout", "0").out).stdout))
