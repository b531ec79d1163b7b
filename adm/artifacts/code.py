"""The code of a stage: its module and all that it imports from this package, without comments and layout."""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


@cache
def code_digest(verb: str) -> str:
    """A hash of the code that a stage runs; comments, docstrings and formatting do not change it.

    Args:
        verb: The stage; its code is `adm/stages/<verb>.py` and every module of `adm` that it imports, also indirectly.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for module in code_of(verb):
        digest.update(f"{module}\n{_normalised(module)}\n".encode())
    return digest.hexdigest()


def code_of(verb: str) -> list[str]:
    """The modules of a stage's code, sorted. A package's `__init__` counts if a name is imported from it."""
    waiting, found = [f"adm.stages.{verb}"], set[str]()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
    return sorted(found)


def verbs() -> list[str]:
    """The names of all stages."""
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
    found: list[str] = []
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
    """Drops every statement that is only a string: docstrings of modules, classes, functions and constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else node
