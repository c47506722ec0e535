"""Whether and how far events are shared: `coord on|off|status`, and `ev compact`."""

from __future__ import annotations

from tbdx.cli.common import Call


def on(c: Call) -> None:
    from tbdx.kernel import coordination as verb

    done = verb.turn(c.kernel, on=True, dry=c.dry)
    if c.dry:
        c.would("Would share events", **done)
    else:
        text = "Events are shared from now on" if done["changed"] else "Events are shared already"
        c.done(done, f"{text}: the next sync publishes {done['branch']}")


def off(c: Call) -> None:
    from tbdx.kernel import coordination as verb

    done = verb.turn(c.kernel, on=False, dry=c.dry)
    if c.dry:
        c.would("Would keep events here", **done)
    else:
        c.done(done, "Events stay in this clone" + ("" if done["changed"] else " already"))


def status(c: Call) -> None:
    from tbdx.kernel import coordination as verb

    now = verb.status(c.kernel)
    lines = [f"coordination: {'on' if now['on'] else 'off'}", f"branch: {now['branch']}"]
    lines.append(f"{now['events']} events of {now['writers']} writers here")
    if now["on"]:
        lines.append(f"{now['unpublished']} events not published")
    c.result(now, "\n".join(lines))


def compact(c: Call) -> None:
    from tbdx.kernel import compact as verb

    done = verb.compact(c.kernel, dry=c.dry)
    if c.json:
        c.out.data({**done, **({"dryRun": True} if c.dry else {})}, None)
    elif not done["covered"]:
        held = f": {done['held_by']} may still write before what there is" if done["held_by"] else ""
        c.out.success(f"Nothing to compact{held}")
    else:
        word = "Would compact" if c.dry else "Compacted"
        c.out.success(f"{word} {done['covered']} events of {done['writers']} writers, up to {done['until']}")
