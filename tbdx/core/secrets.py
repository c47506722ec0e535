"""Secrets in what is about to be published: known shapes of tokens, passwords in URLs, and the values of variables
that are named like secrets. Without `re`, whose import costs as much as journaling an event does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# how tokens begin, and how many characters of `[A-Za-z0-9_-]` follow at least (sources: the issuers' documentation)
TOKENS = (
    ("ghp_", 30),
    ("gho_", 30),
    ("ghu_", 30),
    ("ghs_", 30),
    ("ghr_", 30),
    ("github_pat_", 30),
    ("glpat-", 18),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("xoxa-", 20),
    ("sk-", 32),
    ("sk_live_", 20),
    ("npm_", 30),
    ("pypi-", 40),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ya29.", 30),
)
NAMED = ("_TOKEN", "_KEY", "_SECRET", "_PASSWORD")
SHORTEST = 8  # characters of a variable's value that is worth looking for
HIDDEN = "[redacted]"
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def spans(text: str, env: Mapping[str, str]) -> list[tuple[int, int, str]]:
    """(start, end, what it is) of the secrets in a text."""
    out = []
    for mark, least in TOKENS:
        at = text.find(mark)
        while at >= 0:
            end = at + len(mark)
            while end < len(text) and text[end] in _WORD:
                end += 1
            if end - at - len(mark) >= least and (at == 0 or text[at - 1] not in _WORD):
                out.append((at, end, f"a token ({mark}…)"))
            at = text.find(mark, end)
    if "PRIVATE KEY-----" in text:
        start = max(0, text.rfind("-----BEGIN", 0, text.find("PRIVATE KEY-----")))
        end = text.find("-----END", start)
        out.append((start, len(text) if end < 0 else end, "a private key"))
    at = text.find("://")
    while at >= 0:
        end = at + 3
        while end < len(text) and text[end] not in " \t\r\n/\"'<>\\":
            end += 1
        user, sign, _ = text[at + 3 : end].rpartition("@")
        if sign and ":" in user and user.partition(":")[2] not in ("", HIDDEN):
            out.append((at + 3, at + 3 + len(user), "a password in a URL"))
        at = text.find("://", end)
    for name, value in env.items():
        if name.upper().endswith(NAMED) and len(value) >= SHORTEST and value in text:
            start = text.find(value)
            out.append((start, start + len(value), f"the value of ${name}"))
    return sorted(out)


def redacted(value: Any, env: Mapping[str, str]) -> Any:
    """The same JSON value with `[redacted]` for the secrets in its texts."""
    if isinstance(value, str):
        last = len(value)
        for start, end, _ in reversed(spans(value, env)):
            if end <= last:
                value, last = value[:start] + HIDDEN + value[end:], start
            elif start < last:  # one within, or over, the next
                value, last = value[:start] + value[last:], start
        return value
    if isinstance(value, dict):
        return {redacted(name, env): redacted(x, env) for name, x in value.items()}
    if isinstance(value, list):
        return [redacted(x, env) for x in value]
    return value
