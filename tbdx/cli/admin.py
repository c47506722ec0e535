"""Commands about the repository itself: init, config, status, doctor, whoami."""

from __future__ import annotations

from tbdx.cli.common import Call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tbdx.kernel import Kernel

MARKS = {"ok": "✓", "warn": "⚠", "error": "✗"}


def init(c: Call) -> None:
    from tbdx.kernel import setup

    if c.dry:
        setup.check_prefix(c["prefix"], force=c["force"])
        c.would("Would initialize tbd", prefix=c["prefix"])
        return
    branch, remote = c["branch"] or "tbd-sync", c["remote"] or "origin"
    made = setup.init(c.kernel, c["prefix"], branch=branch, remote=remote, force=c["force"])
    c.done(made, f"Initialized with prefix {made['prefix']}")
    c.out.notice("Commit .tbd/ to share the settings: git add .tbd && git commit -m 'Set up the tracker'")


def config_show(c: Call) -> None:
    from tbdx.core import canon
    from tbdx.kernel import setup

    found = setup.config_show(c.kernel)
    c.result(found, canon.dumps(found).rstrip("\n"))


def config_get(c: Call) -> None:
    from tbdx.kernel import setup

    value = setup.config_get(c.kernel, c["key"])
    c.result({"key": c["key"], "value": value}, _plain(value))


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def config_set(c: Call) -> None:
    from tbdx.kernel import setup

    if c.dry:
        c.would("Would set config", key=c["key"], value=c["value"])
        return
    setup.config_set(c.kernel, c["key"], c["value"])
    c.out.success(f"Set {c['key']} = {c['value']}")


def status(c: Call) -> None:
    from tbdx.kernel import setup

    s = setup.status(c.kernel)
    c.result(s, _status_text(s))


def _status_text(s: dict[str, Any]) -> str:
    def line(good: bool, text: str) -> str:
        return f"  {'✓' if good else '✗'} {text}"

    lines = [f"tbdx v{s['tbdx_version']} (as tbd {s['tbd_version']})", f"Repository: {s['working_directory']}"]
    lines.append(line(s["initialized"], "Initialized (.tbd/)" if s["initialized"] else "Not initialized"))
    where = f"Git repository ({s['git_branch'] or 'detached'})" if s["git_repository"] else "Not a git repository"
    lines += [
        line(s["git_repository"], where),
        line(s["git_version_supported"], f"Git {s['git_version'] or 'not found'}"),
    ]
    if s.get("note"):
        lines += ["", s["note"]]
    if s["display_prefix"]:
        lines += [
            "",
            f"Sync branch: {s['sync_branch']}",
            f"Remote: {s['remote']}",
            f"ID prefix: {s['display_prefix']}-",
        ]
    if s["workspaces"]:
        lines.append(f"Workspaces: {', '.join(s['workspaces'])}")
    if s["initialized"]:
        lines += ["", f"Worktree: {s['worktree_path']} ({s['worktree_status']})"]
        lines += ["", "tbdx stats counts the issues, tbdx doctor checks the tracker."]
    else:
        lines += ["", "tbdx init --prefix=<name> sets a tracker up here."]
    return "\n".join(lines)


def doctor(c: Call) -> int:
    from tbdx.kernel.doctor import examine, failed

    done: list[str] = []
    if c["fix"] and not c.dry:
        from tbdx.kernel.mend import mend

        done = mend(c.kernel)
    report = examine(c.kernel)
    if done:
        report["fixed"] = done
    if c.json:
        c.out.data(report)
    else:
        c.out.text(_doctor_text(c.kernel, report))
        if c["fix"] and not done:
            c.out.notice("There was nothing that could be mended without a loss")
        if not report["healthy"]:
            c.out.say("warn", "Issues found that may require manual intervention.")
    return 1 if failed(report) else 0


def _doctor_text(k: Kernel, report: dict[str, Any]) -> str:
    from tbdx.kernel import setup

    stats = report["statsInfo"]
    lines = ["REPOSITORY", _status_text(setup.status(k)).rpartition("\n\n")[0], "", "STATISTICS"]
    names = {"ready": "Ready", "inProgress": "In progress", "blocked": "Blocked", "open": "Open", "total": "Total"}
    lines += [f"  {word + ':':<13}{stats[name]}" for name, word in names.items()]
    for title, key in (
        ("INTEGRATIONS", "integrationChecks"),
        ("HEALTH CHECKS", "healthChecks"),
        ("TBDX", "tbdxChecks"),
    ):
        lines += ["", title]
        for check in report[key]:
            text = f"{MARKS[check['status']]} {check['name']}"
            text += f" - {check['message']}" if check.get("message") else ""
            text += f" ({check['path']})" if check.get("path") else ""
            lines.append(text)
            lines += [f"    {detail}" for detail in check.get("details") or ()]
            if check.get("suggestion"):
                lines.append(f"    {check['suggestion']}")
    return "\n".join(lines)


def whoami(c: Call) -> None:
    from tbdx.kernel import setup

    found = setup.whoami(c.kernel, c.kernel.actor, ensure_id=c["ensure_id"])
    text = f"{found['name']} ({found['source']})\nharness: {found['harness']}"
    text += "".join(f"\n{n}: {found[n]}" for n in ("model", "id") if n in found)
    c.result(found, text)
