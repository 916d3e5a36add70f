"""Which of June's own modules a program needs: what of June goes into an image, and nothing else.

Found by reading import statements, never by importing; imports for type checkers do not count. A package
that is imported as a whole (`from june_stt import recognisers`) brings all of its modules: it may load them
by name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from june_cli.errors import JuneError

CORE = "june_cli"
PARTS = ("body", "orelse", "finalbody", "handlers", "cases")  # of a statement: where statements can be


def needed(entries: Sequence[str]) -> dict[str, Path]:
    """File by its path below `code/`, for some entry modules and all of June's that they import.

    A plugin's modules are those of the entry's own top package; June's core is always June's.
    """
    tops = {CORE, *(entry.partition(".")[0] for entry in entries)}
    tree = _Tree({top: _folder(top) for top in tops})
    waiting, seen = list(entries), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]
        waiting += tree.imported(name)
    return dict(sorted((tree.relative(name), tree.file(name)) for name in seen))


def source(file: Path) -> bytes:
    """What of a module goes into an image: all of it, or nothing where it is a docstring alone.

    A plugin's `__init__` is the line that `june --help` shows: a better word there renames no image.
    """
    text, tree = _read(file)
    spoken = all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body)
    return b"" if file.name == "__init__.py" and spoken else text


@cache
def _read(file: Path) -> tuple[bytes, ast.Module]:
    """A module's text and its statements, read and parsed once."""
    try:
        text = file.read_bytes()
        return text, ast.parse(text)
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: a null byte, before Python 3.12
        raise JuneError("image-incomplete", f"June cannot read its module {file}: {error}.") from error


class _Tree:
    """June's packages as files."""

    def __init__(self, tops: dict[str, Path]) -> None:
        self._tops = tops
        self._known: dict[str, Path | None] = {}

    def file(self, name: str) -> Path:
        """The source of a module or of a package's `__init__`."""
        found = self._find(name)
        if found is None:
            raise JuneError("image-incomplete", f"June's module {name} is not where Python imports it from.")
        return found

    def relative(self, name: str) -> str:
        """Where the module belongs below a folder on Python's path."""
        path, file = name.replace(".", "/"), self.file(name)
        return f"{path}/__init__.py" if file.name == "__init__.py" else f"{path}.py"

    def imported(self, name: str) -> Iterator[str]:
        """June's modules that a module imports."""
        for target, whole in _named(self.file(name)):
            if self._find(target):
                yield target
                if whole:
                    yield from self._inside(target)

    def _find(self, name: str) -> Path | None:
        if name not in self._known:
            self._known[name] = self._looked_up(name)
        return self._known[name]

    def _looked_up(self, name: str) -> Path | None:
        top, _, rest = name.partition(".")
        if top not in self._tops:
            return None
        base = self._tops[top].joinpath(*rest.split(".")) if rest else self._tops[top]
        for candidate in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if candidate.is_file():
                return candidate
        return None

    def _inside(self, name: str) -> Iterator[str]:
        file = self.file(name)
        if file.name != "__init__.py" or "." not in name:
            return
        for path in sorted(file.parent.glob("*.py")):
            if path.stem != "__init__":
                yield f"{name}.{path.stem}"


@cache
def _named(file: Path) -> tuple[tuple[str, bool], ...]:
    """What the import statements of a file name: each module, and whether it is meant as a whole."""
    found: list[tuple[str, bool]] = []
    for node in _runtime(_read(file)[1]):
        if isinstance(node, ast.Import):
            found += [(alias.name, True) for alias in node.names]
        else:
            base = node.module or ""
            found += [(base, False), *((f"{base}.{alias.name}", True) for alias in node.names)]
    return tuple(found)


def _folder(top: str) -> Path:
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        raise JuneError("image-incomplete", f"June's package {top} cannot be found.")
    return Path(spec.origin).resolve().parent


def _runtime(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements that are carried out when the program runs; expressions cannot hold any."""
    for part in PARTS[1:] if isinstance(node, ast.If) and _for_checkers(node.test) else PARTS:
        for child in getattr(node, part, ()):
            if isinstance(child, ast.Import | ast.ImportFrom):
                yield child
            else:
                yield from _runtime(child)


def _for_checkers(test: ast.expr) -> bool:
    """`TYPE_CHECKING` or `typing.TYPE_CHECKING`. (`ast.unparse` would do in one line, and takes longer.)"""
    if isinstance(test, ast.Attribute):
        return test.attr == "TYPE_CHECKING" and isinstance(test.value, ast.Name) and test.value.id == "typing"
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
