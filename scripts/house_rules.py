"""The house rules that no linter knows: sizes, names, time, mocks, broad handlers, and what may not be in the tree."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("phantom", "channels", "config")
EVERYTHING = (*SOURCES, "examples", "tests", "bench", "scripts")
TEXT_FOLDERS = (*EVERYTHING, "docs", "deploy", "changes", ".ci")
LIMITS = {"tests": 600}
LIMIT = 400
NAMES = {"utils", "helpers", "common", "manager", "base", "misc"}
MAY_CATCH_ALL = {
    "phantom/supervisor.py",
    "phantom/turns.py",
    "phantom/cli/frame.py",
    "channels/discord/gateway_client.py",  # decision record 8
}
MAY_READ_TIME = {"phantom/clock.py"}
TIME = {"time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "datetime.now", "datetime.utcnow"}
_HOME_FOLDERS = re.compile(r"(?<![\w.-])/(?:root|work|home/\w+|Users/\w+)/[\w.-]")
_REGISTRIES = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs|docker\.io)\b")
_MARKS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
_TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".cfg", ".sh", ".service", ".html", ".js", ".css", ""}


def findings(root: Path) -> Iterator[str]:
    """One line for each broken rule."""
    modules = [path for top in EVERYTHING for path in sorted((root / top).rglob("*.py"))]
    for path in modules:
        yield from _of_module(path.relative_to(root), path.read_text(encoding="utf-8"))
    tests = [path for path in modules if path.relative_to(root).parts[0] == "tests"]
    for name, count in Counter(path.name for path in tests if path.name != "conftest.py").items():
        if count > 1:
            yield f"tests: {count} files are called {name}; test files are unique by name"
    yield from _of_texts(root)


def _of_module(path: Path, text: str) -> Iterator[str]:
    top = path.parts[0]
    lines = text.count("\n")
    if lines > LIMITS.get(top, LIMIT):
        yield f"{path}: {lines} lines, the limit is {LIMITS.get(top, LIMIT)}"
    if path.stem in NAMES:
        yield f"{path}: says nothing by its name"
    if top == "tests" and path.name == "__init__.py":
        yield f"{path}: tests hold no __init__.py"
    tree = ast.parse(text)
    if text.strip() and not ast.get_docstring(tree) and path.name != "conftest.py":
        yield f"{path}: no module docstring"
    for node in ast.walk(tree):
        yield from _of_node(path, node)


def _of_node(path: Path, node: ast.AST) -> Iterator[str]:
    place = f"{path}:{getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
        if any(name.split(".")[:2] == ["unittest", "mock"] or name == "mock" for name in names):
            yield f"{place}: no mocks; use the fakes of phantom.testing"
    in_source = path.parts[0] in SOURCES
    if in_source and isinstance(node, ast.ExceptHandler) and _catches_all(node) and str(path) not in MAY_CATCH_ALL:
        yield f"{place}: catches everything; that is allowed in {', '.join(sorted(MAY_CATCH_ALL))}"
    if in_source and isinstance(node, ast.Call) and str(path) not in MAY_READ_TIME:
        called = ast.unparse(node.func)
        if any(called == name or called.endswith("." + name) for name in TIME):
            yield f"{place}: {called}() reads the time; take a Clock"


def _catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether the handler ends everything; one that tidies up and raises again does not."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in kinds
    )


def _of_texts(root: Path) -> Iterator[str]:
    files = [path for path in root.iterdir() if path.is_file() and path.name not in {"LICENSE", ".env"}]
    files += [path for top in TEXT_FOLDERS for path in (root / top).rglob("*") if path.is_file()]
    for path in sorted(files):
        place = path.relative_to(root)
        if path.suffix not in _TEXT or "__pycache__" in place.parts or place == Path("scripts/house_rules.py"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if _HOME_FOLDERS.search(line):
                yield f"{place}:{number}: a path of one machine"
            if _REGISTRIES.search(line):
                yield f"{place}:{number}: the address of a package registry"
            if _MARKS.search(line) and path.suffix == ".py":
                yield f"{place}:{number}: unfinished work is an issue, not a comment"


def main() -> int:
    """1 when a rule is broken."""
    found = list(findings(ROOT))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
