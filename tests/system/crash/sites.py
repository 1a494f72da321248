"""Every place in core/directory from which fsync is called, read from its source.

A site is a chain of calls, as `Disk` sees it on the stack: the method of a tree, and what it calls
in durable.py, down to fsync itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import resources

from tests.system.crash.disk import Site

TREES = ("outbound", "inbound")


def sites() -> list[Site]:
    """All of them, in the order of the source."""
    durable = dict(_functions("durable"))
    found = []
    for module in TREES:
        for name, node in _functions(module):
            for line, called in _calls(node):
                if called.startswith("durable."):
                    rests = _down(durable, called.removeprefix("durable."))
                    found += [(f"{name}:{line}", *rest) for rest in rests]
    return found


def _down(durable: dict[str, ast.FunctionDef], name: str) -> Iterator[Site]:
    """The chains from a function of durable.py to fsync."""
    for line, called in _calls(durable[name]):
        if called == "os.fsync":
            yield (f"{name}:{line}",)
        elif called in durable:
            for rest in _down(durable, called):
                yield (f"{name}:{line}", *rest)


def _functions(module: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions and methods of a module, by their qualified names."""
    source = resources.files("core.directory").joinpath(f"{module}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef):
                    yield f"{node.name}.{inner.name}", inner


def _calls(node: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    """(line, name) of what a function calls, as it is written: `link`, `durable.link`."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            yield call.lineno, ast.unparse(call.func)
