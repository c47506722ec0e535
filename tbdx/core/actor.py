"""Who acts: a name for the one who runs a command, from what it said of itself. tbd's ladder.

`--as`, else `TBD_AGENT`, else the session's name, else harness and host.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# (harness, variables that show it): the first that is set wins
HARNESSES = (
    ("claude-code", ("CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT")),
    ("cursor", ("CURSOR_",)),
    ("codex", ("CODEX_",)),
    ("gemini-cli", ("GEMINI_",)),
)
# variables in which harnesses tell their own session's id, after ours
SESSIONS = ("TBDX_SESSION", "CLAUDE_SESSION_ID", "CLAUDE_CODE_SESSION_ID", "CODEX_THREAD_ID", "GEMINI_SESSION_ID")
LONGEST = 64  # characters of a name; a longer one is cut, and ends with a digest of the whole
MODELS = ("TBD_AGENT_MODEL", "ANTHROPIC_MODEL", "CODEX_MODEL")


def identify(env: Mapping[str, str], host: str, *, given: str | None, session: str | None) -> dict[str, str]:
    """{name, harness, model?, source}; `given` is --as, `session` the name kept in state.yml."""
    harness = harness_of(env)
    ladder = ((given, "flag"), (env.get("TBD_AGENT"), "env"), (session, "session"), (f"{harness}@{host}", "derived"))
    name, source = next((slug(text), source) for text, source in ladder if text and slug(text))
    model = next((env[v] for v in MODELS if env.get(v)), None)
    return {"name": name, "harness": harness, **({"model": model} if model else {}), "source": source}


def harness_of(env: Mapping[str, str]) -> str:
    for name, marks in HARNESSES:
        for mark in marks:
            if env.get(mark) or (mark[-1] == "_" and any(v.startswith(mark) and env[v] for v in env)):
                return name
    return "unknown"


def session_of(env: Mapping[str, str]) -> str | None:
    """The session that a command belongs to, where anything tells."""
    return next((env[name] for name in SESSIONS if env.get(name)), None)


def slug(text: str) -> str:
    """Lower case; every run of other characters than `[a-z0-9@._-]` is one dash, none at the ends; LONGEST at most.

    However its accents are written, a text gives one slug.
    """
    if not text.isascii():
        from unicodedata import normalize

        text = normalize("NFC", text)
    out = "".join(c if (c.isascii() and c.isalnum()) or c in "@._-" else "\0" for c in text.lower())
    out = "-".join(part for part in out.split("\0") if part).strip("-")
    if len(out) > LONGEST:
        from tbdx.core.digest import hexdigest

        out = f"{out[: LONGEST - 9]}-{hexdigest(out.encode())[:8]}"
    return out
