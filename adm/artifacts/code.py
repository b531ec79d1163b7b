"""The code of a stage: its module and all that it imports from this package, without comments and layout.

Declarations of params are no code: what they hold reaches a stage as values, which are compared by themselves. So a
field, a metric or a table that is added with a default re-runs nothing. Registries of theirs name functions as
"module:function". Where a module that imports `importlib` asks one, those modules are its code as if it imported them;
a module that only prints labels runs none of them.
"""

import ast
import hashlib
import json
import os
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from adm.params.errors import UserError, brief

PACKAGE = Path(__file__).parents[1]

DECLARATIONS = "adm.params"
"""The package that is no stage's code, though what it imports may be."""

REGISTERED = re.compile(r"(adm(?:\.\w+)+):\w+")
"""How a registry names a function."""

PARTS = {"sample": ("gather",)}
"""Stages that write what another one would have written, under its name: their code is part of its."""

DIGITS = 64
"""Hexadecimal digits of a digest."""

ACCEPTED = PACKAGE / "accepted.json"
"""By verb, digests of code that was declared to compute the same, each with the digest that it stands for."""


@cache
def code_digest(verb: str) -> str:
    """A hash of the code that a stage runs; comments, docstrings and formatting do not change it.

    Parsing the modules takes a fifth of a second, so hashes are kept in the user's cache, by the bytes of the package.

    Args:
        verb: The stage; its code is `adm/stages/<verb>.py` and every module of `adm` that it imports, also indirectly.

    Returns:
        64 hexadecimal digits.
    """
    kept = _cached() / verb
    found = kept.read_text(encoding="ascii") if kept.exists() else ""
    if len(found) != DIGITS:
        found = _digest(verb)
        with suppress(OSError):  # a home that cannot be written to costs time alone
            kept.parent.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_text(found, encoding="ascii")
            partial.replace(kept)
    return found


def _cached() -> Path:
    """The folder of the digests of the package's code as it is, under this version of Python."""
    sources = hashlib.sha256(sys.version.encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        sources.update(f"{path.relative_to(PACKAGE)} {len(content)}\n".encode() + content)
    return user_cache_path("adm") / "code" / sources.hexdigest()


def _digest(verb: str) -> str:
    digest = hashlib.sha256()
    for module in code_of(verb):
        digest.update(f"{module}\n{_normalised(module)}\n".encode())
    return digest.hexdigest()


def code_of_record(verb: str, digest: str | None = None) -> str:
    """The digest that stands for a stage's code: its own, or the older one that `adm accept` declared equal.

    Args:
        verb: The stage.
        digest: Of the code; today's if None.
    """
    digest = digest or code_digest(verb)
    steps = acceptances(verb, digest)
    return steps[-1]["as"] if steps else digest


def acceptances(verb: str, digest: str) -> list[dict[str, str]]:
    """What was accepted between a stage's code and the code that stands for it, the newest first."""
    accepted, steps = read_accepted().get(verb, {}), list[dict[str, str]]()
    while digest in accepted:
        steps.append(accepted.pop(digest))
        digest = steps[-1]["as"]
    return steps


def read_accepted() -> dict[str, dict[str, dict[str, str]]]:
    """What was accepted: by verb and digest, the digest that it stands for ("as"), the day ("on") and the reason.

    Raises:
        UserError: The file is no JSON, as after a merge that was left half-way.
    """
    try:
        found: dict[str, dict[str, dict[str, str]]] = json.loads(ACCEPTED.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{ACCEPTED}: is no readable JSON ({brief(error)})") from error
    return found


def code_of(verb: str) -> list[str]:
    """The modules of a stage's code, sorted. A package's `__init__` counts if a name is imported from it."""
    waiting, found = [f"adm.stages.{name}" for name in (verb, *PARTS.get(verb, ()))], set[str]()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += _imports(module)
            if _loads_by_name(module):
                waiting += [name for imported in _imports(module) if _declares(imported) for name in _named(imported)]
    return sorted(module for module in found if not _declares(module))


def _declares(module: str) -> bool:
    return module == DECLARATIONS or module.startswith(f"{DECLARATIONS}.")


def _named(module: str) -> list[str]:
    """The modules whose functions a registry names."""
    strings = (node.value for node in ast.walk(_tree(module)) if isinstance(node, ast.Constant))
    return [found[1] for text in strings if isinstance(text, str) and (found := REGISTERED.fullmatch(text))]


def _loads_by_name(module: str) -> bool:
    """Whether a module imports what a registry names."""
    nodes = list(ast.walk(_tree(module)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return "importlib" in [*names, *(node.module for node in nodes if isinstance(node, ast.ImportFrom))]


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
