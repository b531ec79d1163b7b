"""The code of a stage: all that its function executes, without comments and layout.

That is its module, `ARGUMENTS`, which hands it what it takes, and every module of the package that these import. Of the
packages of declarations, `adm.config` and `adm.params`, only the definitions that are used count, and of a section only
its methods: its fields reach a stage as values, which are compared by themselves, and its validators only refuse. Of a
registry the rows count that a job's sections name. So a field, a metric, a sampler or a table that is added re-runs
nothing.
"""

import ast
import dataclasses
import hashlib
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_cache_path

from adm.artifacts.reading import read_json
from adm.artifacts.writing import new_file
from adm.errors import UserError

PACKAGE = Path(__file__).parents[1]

DECLARATIONS = ("adm.config", "adm.params")
"""The packages of which definitions count one by one."""

ARGUMENTS = "adm.pipeline.arguments"
"""The module that decides what a stage is handed."""

WORDS = frozenset({"adm.errors"})
"""Modules of what errors say: no result depends on them."""

REFUSE = frozenset({"model_validator", "field_validator"})
"""Decorators of methods that refuse values and change none."""

NAMED = re.compile(r"([A-Za-z_]\w*(?:\.\w+)*):([A-Za-z_]\w*)")
"""How a row of a registry names a function, of this package or another one."""

PARTS = {"report": ("adm.pipeline.report",), "generate": ("adm.api",)}
"""Modules that are part of a stage's code, though it does not import them: what gathers its input. And those of `adm
generate`, which is no stage."""

STAGES: dict[str, tuple[str, ...]] = {}
"""By verb, the modules of stages that packages beside this one declare, and of the sections that these are handed."""

FOLLOWED: set[str] = set()
"""Packages beside this one that have stages, or that rows of registries name: their modules count as those of this
one."""

ACCEPTED = PACKAGE / "accepted.json"
"""By verb, digests of code that was declared to compute the same, each with the digest that it stands for."""


class Piece(NamedTuple):
    """A part of the code: a module, or one definition of a module of declarations."""

    module: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.module}:{self.name}" if self.name else self.module


@cache
def code_digest(verb: str, rows: tuple[str, ...] = ()) -> str:
    """Hash the code that a stage runs; comments, docstrings and formatting do not change it.

    Parsing the modules takes a fifth of a second, so hashes are kept in the user's cache, by the bytes of the package.

    The stage is `adm/stages/<verb>.py`, or one of `STAGES`; `rows` are those of registries that a job's sections name,
    from `adm.config.registry.rows_in`.
    """
    kept = _cached() / hashlib.sha256("+".join([verb, *rows]).encode()).hexdigest()
    if kept.exists():
        return kept.read_text(encoding="ascii")
    pieces = code_of(verb, rows)
    digest = hashlib.sha256("".join(f"{name}\n{text}\n" for name, text in pieces.items()).encode()).hexdigest()
    # The cache knows the bytes of this package alone. A home that cannot be written to costs time.
    if all(name.partition(".")[0] == "adm" for name in pieces if not name.startswith("row ")):
        with suppress(OSError, UserError), new_file(kept) as partial:
            partial.write_text(digest, encoding="ascii")
    return digest


@cache
def _cached() -> Path:
    """Return the folder of the digests of the package's code as it is, under this version of Python."""
    sources = hashlib.sha256(sys.version.encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        content = path.read_bytes()
        sources.update(f"{path.relative_to(PACKAGE)} {len(content)}\n".encode() + content)
    return user_cache_path("adm") / "code" / sources.hexdigest()


def code_of_record(verb: str, digest: str) -> str:
    """Name the digest that stands for a stage's code: its own, or the older one that `adm accept` declared equal."""
    accepted = read_accepted().get(verb, {})
    while digest in accepted:
        digest = accepted.pop(digest)["as"]
    return digest


def read_accepted() -> dict[str, dict[str, dict[str, str]]]:
    """Read what was accepted: by verb and digest, the digest that it stands for ("as"), the day ("on") and the reason.

    Raises:
        UserError: The file is no JSON, as after a merge that was left half-way.
    """
    return read_json(ACCEPTED)


def code_of(verb: str, rows: Iterable[str] = ()) -> dict[str, str]:
    """Collect the pieces of a stage's code by their names, sorted, with texts; arguments are those of `code_digest`.

    A module has its name, a definition that of its module before a colon, and a row "row " before its own.
    """
    roots = (*STAGES.get(verb, (f"adm.stages.{verb}",)), ARGUMENTS, *PARTS.get(verb, ()))
    FOLLOWED.update(root.partition(".")[0] for root in roots)
    waiting, seen, texts = [Piece(module) for module in roots], set[Piece](), dict[str, str]()
    while waiting:
        piece = waiting.pop()
        if piece in seen:
            continue
        seen.add(piece)
        if (registry := _registry(piece)) is not None:
            named = [row.partition(".")[2] for row in rows if row.partition(".")[0] == registry.what]
            for name in dict.fromkeys([*registry.always, *named]):
                texts[f"row {registry.what}.{name}"], used = _row(registry[name])
                FOLLOWED.update(each.module.partition(".")[0] for each in used)
                waiting += used
            continue
        text, used = _read(piece)
        if text is not None:
            texts[str(piece)] = text
        waiting += [each for each in used if _is_followed(each.module)]
    return dict(sorted(texts.items()))


def _registry(piece: Piece) -> Any:
    """Return the registry that a piece defines; None if it defines something else."""
    node = _bindings(piece.module).get(piece.name) if piece.name else None
    value = getattr(node, "value", None)
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Registry"):
        return None
    return getattr(import_module(piece.module), piece.name)


def _row(row: Any) -> tuple[str, list[Piece]]:
    """Return the values of a registry's row as text, and the code that they name."""
    values, used = [], [Piece(type(row).__module__, type(row).__name__)]
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if callable(value):
            value = f"{value.__module__}:{value.__qualname__}"
            if not NAMED.fullmatch(value):
                raise ValueError(f"{value}: is no function with a name of its own, by which a row's code is found")
        if isinstance(value, str) and (match := NAMED.fullmatch(value)):
            used.append(Piece(match[1], match[2] if declares(match[1]) else ""))
        values.append(f"{field.name}={value!r}")
    return ", ".join(values), used


def declares(module: str) -> bool:
    """Tell whether definitions of a module count one by one."""
    return module.startswith(tuple(f"{package}." for package in DECLARATIONS)) or module in DECLARATIONS


@cache
def _read(piece: Piece) -> tuple[str | None, list[Piece]]:
    """Return the text of a piece, None where it has none of its own; and the pieces that it names.

    A module names what it imports, a definition what it mentions. What is imported has no text.
    """
    if _file(piece.module) is None:
        return None, []
    if not piece.name:
        tree = _tree(piece.module)
        return _normalised(tree), _imported(piece.module, tree, tree)
    bindings = _bindings(piece.module)
    node = bindings.get(piece.name)
    if node is None:
        return None, []
    if isinstance(node, ast.ImportFrom | ast.Import):
        return None, _imported(piece.module, node, None, piece.name)
    counted = _counted(piece.module, node)
    pieces = _imported(piece.module, counted, counted)
    for name in {each.id for each in ast.walk(counted) if isinstance(each, ast.Name)} - {piece.name}:
        if isinstance(bound := bindings.get(name), ast.ImportFrom | ast.Import):
            pieces += _imported(piece.module, bound, counted, name)
        elif bound is not None:
            pieces.append(Piece(piece.module, name))
    if isinstance(node, ast.ClassDef) and _is_section(piece.module, node):
        # A section's values may be sections, whose methods whoever has it can call.
        fields = (each.annotation for each in node.body if isinstance(each, ast.AnnAssign))
        pieces += [used for field in fields for used in _classes(piece.module, field)]
    return _normalised(counted), pieces


def _classes(module: str, annotation: ast.AST) -> Iterator[Piece]:
    """Yield the classes of declarations that an annotation names, itself or by aliases."""
    for name in {each.id for each in ast.walk(annotation) if isinstance(each, ast.Name)}:
        home, bound = _definition(module, name)
        if isinstance(bound, ast.ClassDef):
            yield Piece(home, name)
        elif isinstance(bound, ast.Assign):
            yield from _classes(home, bound.value)


def _definition(module: str, name: str) -> tuple[str, ast.stmt | None]:
    """Return the module of declarations that binds a name which another one may only import, and the statement."""
    bound = _bindings(module).get(name)
    while isinstance(bound, ast.ImportFrom) and bound.module and declares(bound.module):
        module = bound.module
        bound = _bindings(module).get(name)
    return module, bound


def _imported(module: str, node: ast.AST, user: ast.AST | None, only: str = "") -> list[Piece]:
    """Return the pieces that the imports in a node of a module name, or the one of them that binds the name `only`.

    Of a module of declarations, `user` takes the attributes that it mentions.
    """
    pieces: list[Piece] = []
    for each in _without_types(node):
        if isinstance(each, ast.Import):
            pieces += [Piece(alias.name) for alias in each.names if not declares(alias.name)]
        elif isinstance(each, ast.ImportFrom) and (source := _source(module, each)) not in WORDS:
            for alias in each.names:
                own = alias.asname or alias.name
                if only and own != only:
                    continue
                inner = f"{source}.{alias.name}"
                if _is_followed(inner) and _file(inner):
                    pieces += [Piece(inner)] if not declares(inner) else _attributes(inner, own, user)
                else:
                    pieces.append(Piece(source, alias.name if declares(source) else ""))
    return pieces


def _source(module: str, node: ast.ImportFrom) -> str:
    """Return the module that a statement imports from; leading dots are of the package of the module that imports."""
    if not node.level:
        return node.module or ""
    file = _file(module)
    package = module if file is not None and file.name == "__init__.py" else module.rpartition(".")[0]
    return resolve_name("." * node.level + (node.module or ""), package)


def _is_followed(module: str) -> bool:
    """Tell whether a module may be one whose code counts: those of Python and of libraries are versions, not code."""
    top = module.partition(".")[0]
    return top == "adm" or top in FOLLOWED


def _attributes(module: str, name: str, user: ast.AST | None) -> list[Piece]:
    """Return the definitions of a module of declarations that a tree mentions as attributes of a name."""
    nodes = ast.walk(user) if user is not None else ()
    return [
        Piece(module, each.attr)
        for each in nodes
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == name
    ]


def _without_types(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes of a tree but those under `if TYPE_CHECKING`, which are never executed."""
    yield node
    skipped = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    for child in node.orelse if skipped and isinstance(node, ast.If) else ast.iter_child_nodes(node):
        yield from _without_types(child)


@cache
def _bindings(module: str) -> dict[str, ast.stmt]:
    """Return the statement that binds each name of a module of declarations."""
    bindings: dict[str, ast.stmt] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bindings[node.name] = node
        elif isinstance(node, ast.ImportFrom | ast.Import):
            bindings |= {alias.asname or alias.name: node for alias in node.names}
        else:
            # Of an assignment its targets alone: its value may name variables of its own.
            parts: list[ast.AST] = [*node.targets] if isinstance(node, ast.Assign) else [node]
            parts = [node.target] if isinstance(node, ast.AnnAssign) else parts
            names = (each for part in parts for each in ast.walk(part) if isinstance(each, ast.Name))
            bindings |= {each.id: node for each in names if isinstance(each.ctx, ast.Store)}
    return bindings


def _counted(module: str, node: ast.stmt) -> ast.stmt:
    """Return a definition without what reaches a stage as a value, and without what refuses values."""
    if not isinstance(node, ast.ClassDef):
        return node
    fields = ast.AnnAssign if _is_section(module, node) else ()
    body = [each for each in node.body if not isinstance(each, fields) and not _refuses(each)]
    return ast.ClassDef(node.name, node.bases, node.keywords, body or [ast.Pass()], node.decorator_list)


def _refuses(node: ast.stmt) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(each, ast.Call) and getattr(each.func, "id", "") in REFUSE for each in decorators)


def _is_section(module: str, node: ast.ClassDef) -> bool:
    """Tell whether a class derives from pydantic's model, directly or by classes of declarations."""
    names = [getattr(base, "id", "") for base in node.bases]
    parents = [_definition(module, name) for name in names]
    return "BaseModel" in names or any(isinstance(of, ast.ClassDef) and _is_section(home, of) for home, of in parents)


def _file(module: str) -> Path | None:
    """Return the file of a module, of this package or of another one that is installed; None if there is none."""
    if module.partition(".")[0] != "adm":
        with suppress(ModuleNotFoundError, ValueError):  # a name within a module; a module that no file holds
            origin = str(getattr(find_spec(module), "origin", None))
            return Path(origin) if origin.endswith(".py") else None
        return None
    path = PACKAGE.parent.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, module
    return ast.parse(file.read_text(encoding="utf-8"))


def _normalised(node: ast.AST) -> str:
    return ast.unparse(_WithoutDocstrings().visit(ast.parse(ast.unparse(node))))


class _WithoutDocstrings(ast.NodeTransformer):
    """Drops every statement that is only a string: docstrings of modules, classes, functions and constants."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_string = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_string else node
