"""Running a program: in a process group of its own, without a terminal, never longer than it may take.

The one place from which tbdx starts anything but an editor.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time

from tbdx.errors import Git as GitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# what a caller's environment may hand on to git; every other GIT_* would point it at another repository or run things
_PASSED = {
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",  # how some sandboxes hand out a token; what asks a person instead ends with the time limit
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CERT",
    "GIT_SSL_KEY",
}
_SET = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS": "true",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
}
_LINGER_S = 1.0  # how long the output of a program that has ended is waited for, while its children hold it open


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would point git elsewhere, make it prompt, or speak another language."""
    kept = {k: v for k, v in env.items() if not k.startswith("GIT_") or k in _PASSED}
    return {"GIT_ASKPASS": "true"} | kept | _SET


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: str,
    stdin: bytes = b"",
    limit_s: float,
    silent_s: float | None = None,
    heard: Callable[[bytes], None] | None = None,
) -> tuple[int, bytes, str]:
    """(exit code, output, what it said on stderr) of one program.

    It is ended with its whole group after `limit_s`, or when it says nothing for `silent_s`; that, a program that is
    not there or cannot be started, and its children that keep our pipes open are all no reason to wait. `heard` gets
    what it says on the way. Raises GitError.
    """
    try:
        child = subprocess.Popen(
            list(argv), cwd=cwd, env=dict(env), stdin=-1, stdout=-1, stderr=-1, bufsize=0, start_new_session=True
        )
    except FileNotFoundError:
        raise GitError(f"{argv[0]} is not installed, or not on PATH", hint=f"install {argv[0]} 2.25 or newer")
    except OSError as e:
        raise GitError(f"{argv[0]} cannot be started: {e.strerror}")
    try:
        out, err = _talk(child, stdin, limit_s, silent_s, heard)
        return child.wait(), out, err.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as e:
        what = next((a for a in argv[1:] if not a.startswith("-") and "=" not in a), "")
        late = f"said nothing for {e.timeout:.0f} s" if e.timeout == silent_s else f"took longer than {e.timeout:.0f} s"
        raise GitError(f"{os.path.basename(argv[0])} {what} {late} and was ended", reason="timeout")
    except OSError as e:
        raise GitError(f"{argv[0]} cannot be talked to: {e.strerror}")
    finally:
        if child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()


def _talk(
    child: subprocess.Popen[bytes],
    data: bytes,
    limit_s: float,
    silent_s: float | None,
    heard: Callable[[bytes], None] | None,
) -> tuple[bytes, bytes]:
    """Write its input and read what it prints until both of its outputs end. Raises TimeoutExpired."""
    assert child.stdin and child.stdout and child.stderr
    outputs: dict[object, list[bytes]] = {child.stdout: [], child.stderr: []}
    left = memoryview(data)
    began = heard_at = time.monotonic()
    ended_at = None
    with selectors.DefaultSelector() as ready:
        for pipe in outputs:
            ready.register(pipe, selectors.EVENT_READ)  # type: ignore[arg-type]
        if left:
            os.set_blocking(child.stdin.fileno(), False)
            ready.register(child.stdin, selectors.EVENT_WRITE)
        else:
            child.stdin.close()
        while ready.get_map():
            now = time.monotonic()
            if now - began > limit_s:
                raise subprocess.TimeoutExpired(child.args, limit_s)
            if silent_s is not None and now - heard_at > silent_s:
                raise subprocess.TimeoutExpired(child.args, silent_s)
            if ended_at is None and child.poll() is not None:
                ended_at = now
            if ended_at is not None and now - ended_at > _LINGER_S:
                break
            for key, _ in ready.select(min(0.25, limit_s)):
                if key.fileobj is child.stdin:
                    try:
                        left = left[os.write(key.fd, left[: 1 << 16]) :]
                    except BrokenPipeError:
                        left = left[:0]
                    if not left:
                        ready.unregister(child.stdin)
                        child.stdin.close()
                    continue
                got = os.read(key.fd, 1 << 20)
                heard_at = time.monotonic()
                if not got:
                    ready.unregister(key.fileobj)
                    continue
                outputs[key.fileobj].append(got)
                if heard and key.fileobj is child.stderr:
                    heard(got)
    return b"".join(outputs[child.stdout]), b"".join(outputs[child.stderr])
