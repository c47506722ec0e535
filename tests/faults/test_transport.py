"""A remote that hangs, refuses or wants a password: the sync ends soon, says why, and blocks nobody (D1, D2, D3)."""

from __future__ import annotations

import http.server
import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conftest import Clone
from kernel.test_sync import Clones, origin, settle, start, sync
from tbdx.kernel.sync import Kept
from tbdx.kernel.sync import sync as kernel_sync
from tbdx.store import remote


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A remote may be silent for a moment only."""
    monkeypatch.setattr(remote, "SILENT_S", 1.0)


def hanging(folder: Path) -> Path:
    """A program that notes its process id and then hangs, children too."""
    path = folder / "hang"
    path.write_text(f"#!/bin/sh\necho $$ >>{folder}/pids\nsleep 3600 &\necho $! >>{folder}/pids\nwait\n")
    path.chmod(0o755)
    return path


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def hung_up(folder: Path) -> bool:
    """Whether each process that hung is gone, within a moment."""
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    until = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return len(pids) >= 2 and not any(map(alive, pids))


WAYS: dict[str, Callable[[Clone, Path], None]] = {
    "ssh": lambda clone, program: clone.git("remote", "set-url", "origin", "ssh://host.invalid/x.git") and None,
    "upload-pack": lambda clone, program: clone.git("config", "remote.origin.uploadpack", str(program)) and None,
    "receive-pack": lambda clone, program: clone.git("config", "remote.origin.receivepack", str(program)) and None,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_remote_that_hangs_ends_the_sync(
    clones: Clones, impatient: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    a, b = clones
    sync(a, b)
    program = hanging(tmp_path)
    monkeypatch.setenv("GIT_SSH_COMMAND", f"{program} #")
    WAYS[way](a, program)
    a.create("Kept")
    done = a.run("sync", "--json")
    assert done.code == 6 and json.loads(done.out)["reason"] == "timeout" and hung_up(tmp_path)
    said = json.loads(done.err.splitlines()[-1])
    assert said["code"] == "not_published" and "said nothing for" in said["error"]
    for key in ("uploadpack", "receivepack"):
        subprocess.run(["git", "config", "--unset", f"remote.origin.{key}"], cwd=a.path)
    a.git("remote", "set-url", "origin", str(origin(a)))
    settle(a, b)
    assert [row["title"] for row in b.json("list")] == ["Kept"]


def test_the_default_limit_is_below_thirty_seconds() -> None:
    assert remote.SILENT_S <= 30


def test_nobody_waits_for_a_sync_that_waits_for_its_remote(
    clones: Clones, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a, _ = clones
    sync(a)
    a.git("config", "remote.origin.uploadpack", str(hanging(tmp_path)))
    a.create("Kept")
    ended: list[Kept] = []

    def run() -> None:
        with pytest.raises(Kept) as e:
            kernel_sync(a.kernel)
        ended.append(e.value)

    monkeypatch.setattr(remote, "SILENT_S", 3)
    syncing = threading.Thread(target=run)
    syncing.start()
    until = time.monotonic() + 20
    while not (tmp_path / "pids").exists() and time.monotonic() < until:
        time.sleep(0.01)
    meanwhile = start(a, "create", "Meanwhile")
    said = meanwhile.communicate(timeout=30)
    assert meanwhile.returncode == 0 and not ended, said  # created while the sync was waiting
    syncing.join(timeout=30)
    assert ended[0].reason == "timeout" and hung_up(tmp_path)


@pytest.mark.parametrize("argv", [["list"], ["sync", "--status"]])
def test_a_first_command_and_a_look_at_the_remote_do_not_hang_either(
    clones: Clones, impatient: None, tmp_path: Path, argv: list[str]
) -> None:
    _, b = clones
    b.git("fetch", "-q")
    b.git("config", "remote.origin.uploadpack", str(hanging(tmp_path)))
    began = time.monotonic()
    assert b.run(*argv).code == 0 and hung_up(tmp_path)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_refusal_is_quoted_once_and_not_repeated(clones: Clones, hook: str) -> None:
    a, _ = clones
    count = origin(a) / "pushes"
    path = origin(a) / "hooks" / hook
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho x >>{count}\necho 'closed on Sundays' >&2\nexit 1\n")
    path.chmod(0o755)
    a.create("T")  # and its event: each branch is offered once
    began = time.monotonic()
    done = a.run("sync")
    assert done.code == 6 and (done.out + done.err).count("closed on Sundays") == 1
    assert count.read_text() == "x\n" * 2 and time.monotonic() - began < 10


# passwords

SSH = """\
#!/bin/sh
# an ssh that wants a password: from the terminal, else from its askpass program
if ( : </dev/tty ) 2>/dev/null; then printf 'Password: ' >/dev/tty; read -r answer </dev/tty; fi
[ "$SSH_ASKPASS_REQUIRE" = never ] || "$SSH_ASKPASS" 'Password: '
echo 'Permission denied (publickey,password).' >&2
exit 255
"""


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone's environment on a desktop: programs that would open a window and wait."""
    program = hanging(tmp_path)
    for name in ("SSH_ASKPASS", "DISPLAY"):
        monkeypatch.setenv(name, str(program))
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(tmp_path / "ssh"))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    return program


@pytest.fixture
def locked_door(tmp_path: Path) -> Iterator[str]:
    """The address of an HTTP server that asks everybody for a password."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/x.git"
        finally:
            server.shutdown()
            thread.join()


ON_A_TERMINAL = """import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])"""


def in_terminal(clone: Clone, *argv: str) -> tuple[int, str]:
    """(exit code, all that was shown) of a command on a terminal at which nobody sits."""
    ours, theirs = pty.openpty()
    line = [sys.executable, "-c", ON_A_TERMINAL, sys.executable, "-m", "tbdx", *argv]
    child = subprocess.Popen(line, cwd=clone.path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown, until = b"", time.monotonic() + 30
    while time.monotonic() < until:
        if select.select([ours], [], [], 0.1)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:  # nobody holds the other end any more
                break
    else:
        child.kill()
    os.close(ours)
    return child.wait(timeout=10), shown.decode("utf-8", "replace")


def test_a_question_for_a_password_over_ssh_is_no_reason_to_wait(clones: Clones, asking: Path) -> None:
    a, _ = clones
    a.git("remote", "set-url", "origin", "ssh://git@host.invalid/x.git")
    a.create("T")
    code, shown = in_terminal(a, "sync")
    assert code == 6 and "Permission denied" in shown and "Password" not in shown, (code, shown)
    assert not (asking.parent / "pids").exists()


def test_a_question_for_a_password_over_http_is_no_reason_to_wait(
    clones: Clones, asking: Path, locked_door: str
) -> None:
    a, _ = clones
    a.git("remote", "set-url", "origin", locked_door)
    a.git("config", "core.askPass", str(asking))
    a.create("T")
    code, shown = in_terminal(a, "sync")
    assert code == 6 and "Authentication failed" in shown and "Username" not in shown, (code, shown)
    assert not (asking.parent / "pids").exists()


def test_a_credential_helper_that_hangs_is_ended(
    clones: Clones, asking: Path, locked_door: str, impatient: None
) -> None:
    a, _ = clones
    a.git("remote", "set-url", "origin", locked_door)
    a.git("config", "credential.helper", str(asking))
    a.create("T")
    done = a.run("sync", "--json")
    assert done.code == 6 and json.loads(done.out)["reason"] == "timeout" and hung_up(asking.parent)
