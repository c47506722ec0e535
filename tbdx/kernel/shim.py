"""The shim: a `tbd` launcher that runs this tbdx, put into a folder on request and never over anything but itself."""

from __future__ import annotations

import os
import shlex
import shutil
import stat

from tbdx.errors import BadFile, Disk, NotFound, TbdxError
from tbdx.kernel import Kernel
from tbdx.store import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MARK = "# tbdx shim: runs tbdx under the name tbd; written by `tbdx shim install`"


def launcher(command: Sequence[str]) -> bytes:
    return f'#!/bin/sh\n{MARK}\nexec {shlex.join(command)} "$@"\n'.encode("utf-8", "surrogateescape")


def install(k: Kernel, folder: str, command: Sequence[str], *, dry: bool = False) -> dict[str, Any]:
    """Put `folder`/tbd there, which executes `command`, given with an absolute path.

    {path, action: created | updated | unchanged, onPath, first: the `tbd` that PATH finds, None for none}.
    Raises NotFound for a folder that is not there, TbdxError or BadFile for any file that is not our own shim.
    """
    folder = os.path.realpath(os.path.join(k.cwd, folder))
    if not os.path.isdir(folder):
        raise NotFound(f"no such folder: {folder}", hint=f"mkdir -p {shlex.quote(folder)}")
    path, new = f"{folder}/tbd", launcher(command)
    action = _action(path, new)
    if not dry and action != "unchanged":
        try:
            if action == "updated":
                files.write(path, new)
            elif not files.create(path, new, scratch=folder):
                raise _taken(path)
            os.chmod(path, 0o755)
        except OSError as e:
            raise Disk(f"cannot write {path}: {e.strerror}", hint=files.hint_for(e))
    search = k.env.get("PATH", os.defpath)
    on_path = folder in [os.path.realpath(part) for part in search.split(os.pathsep) if part]
    return {"path": path, "action": action, "onPath": on_path, "first": shutil.which("tbd", path=search)}


def _action(path: str, new: bytes) -> str:
    try:
        old = files.read(path)
    except FileNotFoundError:
        return "created"
    except BadFile as e:
        raise BadFile(e.reason, path=path, hint="a tbd that tbdx did not put there is left alone; name another folder")
    if old.split(b"\n")[1:2] != [MARK.encode()]:
        raise _taken(path)
    runs = bool(os.lstat(path).st_mode & stat.S_IXUSR)
    return "unchanged" if old == new and runs else "updated"


def _taken(path: str) -> TbdxError:
    return TbdxError(f"{path} is not a shim of tbdx; it is left as it is", hint="name another folder")
