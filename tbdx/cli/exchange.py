"""Commands for copies: workspaces, imports, and the attic of lost values."""

from __future__ import annotations

from tbdx.cli.common import Call, limited
from tbdx.cli.output import one_line
from tbdx.errors import Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NO_FILE = """Provide a JSONL file path to import.

For Beads: tbdx setup --from-beads, or tbdx import .beads/issues.jsonl
For a workspace: tbdx import --workspace=<name>, or --outbox"""
REMINDER = 'Remember to commit: git add .tbd/workspaces && git commit -m "tbd: save workspace"'


def attic_list(c: Call) -> None:
    from tbdx.kernel import attic

    rows = attic.entries(c.kernel, c["id"], c["since"], limited(c["limit"]))
    lines = [f"{'ID':<12}{'WHEN':<26}{'FIELD':<14}WINNER"]
    for row in rows:
        lines.append(f"{row['id']:<12}{row['timestamp']:<26}{one_line(row['field']):<14}{one_line(row['winner'])}")
    c.result(rows, "\n".join(lines) if rows else "The attic is empty")


def attic_show(c: Call) -> None:
    from tbdx.core import canon
    from tbdx.kernel import attic

    entry = attic.show(c.kernel, c["id"], c["timestamp"])
    c.result(entry, canon.dumps(entry).rstrip("\n"))


def attic_restore(c: Call) -> None:
    from tbdx.kernel import attic

    done = attic.restore(c.kernel, c["id"], c["timestamp"], dry=c.dry)
    if c.dry:
        c.would("Would restore from attic", id=done["id"], field=done["field"])
    elif done["restored"]:
        c.done(None, f"Restored {done['field']} of {done['display']}")


def save(c: Call) -> None:
    from tbdx.kernel import exchange

    made = exchange.save(c.kernel, c["workspace"], c["dir"], c["outbox"], c["updates_only"], dry=c.dry)
    if c.dry:
        c.would("Would save issues", saved=made["saved"], target=made["target"])
        return
    c.done(made, f"Saved {made['saved']} of {made['totalSource']} issues to {made['target']}")
    if not c["dir"]:
        c.out.notice(REMINDER)


def import_(c: Call) -> int:
    from tbdx.kernel import beads, exchange

    if c["validate"]:
        return _validate(c)
    if c["workspace"] or c["dir"] or c["outbox"]:
        if c["file"]:
            raise Invalid("Give a file or a workspace, not both")
        done = exchange.import_workspace(c.kernel, c["workspace"], c["dir"], c["outbox"], c["clear"], dry=c.dry)
        if c.dry:
            c.would("Would import issues", imported=done["imported"], source=done["source"])
        else:
            c.done(done, f"Imported {done['imported']} issues from {done['source']}{_cleared(done)}")
        return 0
    if not c["file"]:
        raise Invalid(NO_FILE)
    counts = beads.import_jsonl(c.kernel, c["file"], merge=c["merge"], dry=c.dry)
    if c.dry:
        c.would("Would import issues", **counts)
    elif counts["total"]:
        said = ", ".join(f"{n} {name}" for name, n in counts.items() if name != "total")
        c.done(counts, f"Imported {c['file']}: {said}")
    return 0


def _cleared(done: dict[str, Any]) -> str:
    said = f"; {done['conflicts']} lost values are in the attic" if done["conflicts"] else ""
    return said + ("; the copy is removed" if done["cleared"] else "")


def _validate(c: Call) -> int:
    from tbdx.kernel import beads

    found = beads.validate(c.kernel, c["beads_dir"] or ".beads")
    lines = [f"missing: {one_line(row['id'])} (line {row['line']})" for row in found["missing"]]
    lines += [f"{one_line(r['id'])} is {r['issue']}: {', '.join(r['fields'])} differ" for r in found["different"]]
    c.result(found, "\n".join(lines) or f"✓ All {found['total']} issues are here")
    return 0 if found["valid"] else 1


def workspace_list(c: Call) -> None:
    from tbdx.kernel import exchange

    rows = exchange.workspaces(c.kernel)
    lines = ["WORKSPACE    open  in_progress  closed   total"]
    for row in rows:
        n = row["counts"]
        lines.append(f"{row['name']:<13}{n['open']:>4}{n['in_progress']:>13}{n['closed']:>8}{n['total']:>8}")
    c.result(rows, "\n".join(lines) if rows else "No workspaces")


def workspace_delete(c: Call) -> None:
    from tbdx.kernel import exchange

    done = exchange.delete_workspace(c.kernel, c["name"], c["force"], dry=c.dry)
    if c.dry:
        c.would("Would delete workspace", name=c["name"])
    elif done["deleted"]:
        c.done(None, f"Deleted workspace {c['name']}")
    else:
        c.out.notice(f"There is no workspace {c['name']}")
