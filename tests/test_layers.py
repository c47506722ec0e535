"""The architecture's table of imports, held against the code."""

from __future__ import annotations

import ast
from pathlib import Path

import tbdx

ROOT = Path(tbdx.__file__).parent
# layer -> the layers it may import from; `errors` and the version constants are for all
MAY = {
    "errors": set(),
    "core": {"core"},
    "store": {"core", "store"},
    "bus": {"core", "store", "bus"},
    "kernel": {"core", "store", "bus", "kernel"},
    "cli": {"core", "kernel", "cli"},
    "bridge": {"core", "kernel", "bridge"},
}
# module -> the only places that may import it
ONLY = {
    "click": {"cli/"},
    "git": {"store/git.py"},
    "subprocess": {"store/process.py", "cli/"},
    "watchfiles": {"store/watch.py"},
    "socket": {"bus/", "bridge/"},
    "os.environ": {"cli/"},
}
NEVER_IN_CORE = {"os", "time", "random", "secrets", "subprocess", "datetime", "pathlib", "socket"}


def imports(path: Path) -> list[str]:
    """Every module a file imports, at whatever depth; `os.environ` for each use of it."""
    out = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            out += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            out += [node.module or ""] + [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv"):
            out.append("os.environ")
    return out


def violations(rel: str, names: list[str]) -> list[str]:
    layer = rel.split("/")[0].removesuffix(".py")
    out = []
    for name in names:
        parts = name.split(".")
        ours = parts[0] == "tbdx" and len(parts) > 1 and parts[1] in MAY
        if ours and layer in MAY and parts[1] not in MAY[layer] | {"errors"}:
            out.append(f"{rel} imports {name}")
        if layer == "core" and parts[0] in NEVER_IN_CORE and name != "time.gmtime":
            out.append(f"{rel} imports {name}")
        for module, places in ONLY.items():
            if (name == module or name.startswith(module + ".")) and not rel.startswith(tuple(places)):
                out.append(f"{rel} imports {name}")
    return out


def test_every_import_follows_the_table() -> None:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        rel = path.relative_to(ROOT).as_posix()
        found += violations(rel, imports(path))
    # the one clock-free use of time: breaking an instant into its parts
    assert [v for v in found if v != "core/times.py imports time"] == []


def test_the_table_notices_what_it_forbids() -> None:
    assert violations("core/x.py", ["os"]) and violations("core/x.py", ["tbdx.store.files"])
    assert violations("cli/x.py", ["tbdx.store.git"]) and violations("kernel/x.py", ["click"])
    assert violations("store/x.py", ["tbdx.kernel"]) and violations("kernel/x.py", ["os.environ"])
    assert violations("cli/x.py", ["tbdx.bridge.slack"]) and violations("kernel/work.py", ["subprocess"])
    assert not violations("kernel/x.py", ["tbdx.store.files", "tbdx.errors", "tbdx.core.ids"])
