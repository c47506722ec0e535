"""Sync with tbd's outbox: what a remote refuses is copied to a workspace that can travel on the working branch."""

from __future__ import annotations

import os

from tbdx.errors import TbdxError
from tbdx.kernel import Kernel, exchange
from tbdx.kernel.sync import Kept, Report, sync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def sync_after(k: Kernel) -> None:
    """What `settings.auto_sync` asks for after a command that changed something: a failure is only told."""
    try:
        sync(k)
    except TbdxError as e:
        k.say("notice", f"auto_sync: {e.message}")


def sync_all(k: Kernel, *, push: bool, pull: bool, auto_save: bool, take_in: bool) -> tuple[Report, dict[str, Any]]:
    """(report, {savedToOutbox | importedFromOutbox: count}) of a sync.

    A refusal that trying again cannot mend puts what the remote lacks into the outbox, and is raised on. A sync that
    went well takes an outbox in, publishes it, and removes it.
    """
    try:
        report = sync(k, push=push, pull=pull)
    except Kept as e:
        if auto_save and e.permanent:
            e.saved = exchange.save(k, outbox=True)["saved"]
        raise
    if not (take_in and push and pull) or report.local_only or not os.path.isdir(f"{k.repo.workspaces}/outbox/issues"):
        return report, {}
    taken = exchange.import_workspace(k, outbox=True, clear=True)
    again = sync(k)
    for name, n in again.sent.items():
        report.sent[name] += n
    report.withheld |= again.withheld
    return report, {"importedFromOutbox": taken["imported"]}
