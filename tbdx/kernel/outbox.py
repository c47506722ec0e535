"""Sync with tbd's outbox: what a remote refuses is copied to a workspace that can travel on the working branch."""

from __future__ import annotations

import os

from tbdx.errors import TbdxError
from tbdx.kernel import Kernel
from tbdx.kernel.sync import Kept, Report, sync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sync_after(k: Kernel) -> None:
    """What `settings.auto_sync` asks for after a command that changed something: what does not go out is only told."""
    try:
        withheld = sync(k).withheld
    except TbdxError as e:
        k.say("notice", f"auto_sync: {e.message}")
    else:
        for path, why in sorted(withheld.items()):
            k.say("warn", f"auto_sync: withheld {path}: {why}")


def sync_all(k: Kernel, *, push: bool, pull: bool, auto_save: bool, take_in: bool) -> tuple[Report, dict[str, Any]]:
    """(report, {importedFromOutbox: count} where there was one) of a sync.

    A refusal that trying again cannot mend puts what the remote lacks into the outbox, and is raised on. A sync that
    went well takes an outbox in, publishes it, and removes it.
    """
    try:
        report = sync(k, push=push, pull=pull)
    except Kept as e:
        if auto_save and e.reason != "contended":
            from tbdx.kernel import exchange

            e.saved = exchange.save(k, outbox=True)["saved"]
        raise
    if not (take_in and push and pull) or report.local_only or not os.path.isdir(f"{k.repo.workspaces}/outbox/issues"):
        return report, {}
    from tbdx.kernel import exchange

    taken = exchange.import_workspace(k, outbox=True, clear=True)
    report.add(sync(k))
    return report, {"importedFromOutbox": taken["imported"]}
