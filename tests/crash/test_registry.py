"""Every change to the disk, and every git call that changes anything, comes to a failpoint first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import tbdx
from tbdx.store import objects

ROOT = Path(tbdx.__file__).parent
_IN_OS = (
    "write replace rename link symlink unlink remove mkdir makedirs rmdir utime chmod truncate pwrite fsync fdatasync"
)
CHANGES = {f"os.{name}" for name in _IN_OS.split()}
# an editor's draft, the surfaces and the shim are files of the user's working tree, told in their own tests; a probe
# that makes and removes an empty folder; and a pipe
APART = {"kernel/edit.py", "kernel/surfaces.py", "kernel/shim.py"}
APART_FUNCTIONS = {"kernel/scene.py:_lock_trouble", "store/process.py:_talk"}
READS = set(
    "rev-parse for-each-ref merge-base rev-list log diff-tree ls-tree cat-file fsck ls-remote pack-objects".split()
)


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted([*ROOT.glob("store/*.py"), *ROOT.glob("kernel/*.py")]):
        rel = path.relative_to(ROOT).as_posix()
        if rel not in APART:
            yield rel, ast.parse(path.read_text())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) in names)


def changes(function: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, what) of all that changes the disk; what is handed to `_quietly`, which comes to a point, is not."""
    handed = {id(arg) for call in calls(function, "_quietly") for arg in call.args}
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute | ast.Call) and id(node) not in handed and is_change(node):
            yield node.lineno, ast.unparse(node)


def is_change(node: ast.Attribute | ast.Call) -> bool:
    text = ast.unparse(node)
    if isinstance(node, ast.Attribute):
        return text in CHANGES or (text.startswith("shutil.") and text != "shutil.which")
    if text.startswith("os.open("):
        return any(flag in text for flag in ("O_WRONLY", "O_RDWR", "O_CREAT"))
    return text.startswith("open(") and len(node.args) > 1 and bool(set(ast.unparse(node.args[1])) & set("wax+"))


def unnamed(rel: str, tree: ast.Module) -> list[str]:
    """The changes of a module that do not come to a failpoint first."""
    out = []
    for function in functions(tree):
        first = min((call.lineno for call in calls(function, "reach")), default=10**6)
        if f"{rel}:{function.name}" not in APART_FUNCTIONS:
            out += [f"{rel}:{line}: {what}" for line, what in changes(function) if line < first]
    return out


def subcommands(tree: ast.Module) -> Iterator[str]:
    """The git subcommands that a module gives to run, ask and _remote. Each must be written out, in place or in a
    tuple of the same function."""
    for function in functions(tree):
        given = {
            node.targets[0].id: node.value.elts[0]
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Tuple)
        }
        for call in calls(function, "self.run", "self.ask", "self._remote"):
            first = call.args[1 if ast.unparse(call.func) == "self._remote" else 0]
            if isinstance(first, ast.Starred) and isinstance(first.value, ast.Name):
                if function.args.vararg and first.value.id == function.args.vararg.arg:
                    continue  # it hands on what it was given
                first = given[first.value.id]
            assert isinstance(first, ast.Constant), f"line {call.lineno}: {ast.unparse(call)}"
            yield str(first.value)


def named_points() -> set[str]:
    """Every failpoint that the code can come to."""
    out = {f"git.{name}" for name in objects._CHANGES}
    for _, tree in sources():
        out |= {str(c.args[0].value) for c in calls(tree, "reach") if isinstance(c.args[0], ast.Constant)}
    return out


GIT = {f"store/{name}.py" for name in ("objects", "worktree", "remote", "git")}


def test_every_change_to_the_disk_comes_to_a_failpoint_first() -> None:
    found = [text for rel, tree in sources() for text in unnamed(rel, tree)]
    assert found == []


def test_every_git_call_that_changes_anything_comes_to_one() -> None:
    used = {name for rel, tree in sources() if rel in GIT for name in subcommands(tree)}
    assert used - READS == objects._CHANGES and objects._STORES < objects._CHANGES


def test_no_other_module_talks_to_git() -> None:
    for rel, tree in sources():
        if rel not in GIT:
            assert not [c.lineno for c in calls(tree, "git.run", "git.ask", "k.git.run", "k.git.ask")], rel


def test_the_registry_notices_what_it_forbids() -> None:
    for body in (
        "os.unlink(p)",
        "os.unlink(p); reach('x')",
        "open(p, 'w')",
        "os.open(p, os.O_CREAT)",
        "shutil.move(p, q)",
    ):
        assert unnamed("x.py", ast.parse(f"def f(p):\n    {body.replace('; ', chr(10) + '    ')}")), body
    assert not unnamed("x.py", ast.parse("def f(p):\n    reach('x')\n    os.unlink(p)"))
