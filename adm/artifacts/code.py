"""The code of a stage: what its module imports from this package, however indirectly, less comments and layout."""

import ast
import hashlib
from functools import cache
from pathlib import Path

from adm.params.metrics import METRICS

PACKAGE = Path(__file__).parents[1]

BY_NAME = "adm.metrics.scores"
"""The module that imports, by their names, the functions of the registry of metrics."""


@cache
def code_digest(verb: str) -> str:
    """A hash that changes when what a stage runs changes, and not with comments, docstrings or formatting.

    Args:
        verb: The stage; its code is `adm/stages/<verb>.py` and every module of `adm` that it imports, in turn, be it
            by name.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in code_of(verb):
        digest.update(f"{module}\n{_normalised(module)}\n".encode())
    return digest.hexdigest()


def code_of(verb: str) -> list[str]:
    """The modules that are a stage's code, sorted. A package's `__init__` counts where it is imported by name."""
    waiting, found = [f"adm.stages.{verb}"], set[str]()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return sorted(found)


def verbs() -> list[str]:
    """Every stage."""
    return sorted(path.stem for path in (PACKAGE / "stages").glob("[a-z]*.py"))


def _file(module: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


def _imports(module: str) -> list[str]:
    named = [metric.function.split(":")[0] for metric in METRICS.values()] if module == BY_NAME else []
    found = [name for name in named if _file(name)]
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] == "adm"]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "adm":
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            exists = [name for name in submodules if _file(name)]
            # `from package import submodule` uses the submodule; any other name comes from the package itself.
            found += exists if len(exists) == len(submodules) else [*exists, node.module]
    return found


@cache
def _normalised(module: str) -> str:
    return ast.unparse(_WithoutDocstrings().visit(ast.parse(ast.unparse(_tree(module)))))


class _WithoutDocstrings(ast.NodeTransformer):
    """Drops every statement that is a string alone, be it of a module, class, function or constant."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else node
