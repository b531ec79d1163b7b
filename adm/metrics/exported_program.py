"""Programs of `torch.export` in files, checked before torch reads them.

Torch turns texts of such a file into Python: sympy evaluates sizes, guards and names become source code, and operators
are looked up by any name. Every text must therefore be one that ordinary programs have in the same place.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch._ops import OpOverload
from torch.export import ExportedProgram
from torch.export.pt2_archive import PT2ArchiveReader
from torch.export.pt2_archive._package import load_pt2

MODEL = "models/model.json"

CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
"""Entries that say which entry holds which tensor."""

ENTRIES = re.compile(
    rf"{MODEL}|{'|'.join(CONFIGS)}|data/(weights/(weight_\d+|model\.pt)|constants/(tensor_\d+|model\.pt))"
    r"|data/sample_inputs/model\.pt|extra/.*|archive_format|archive_version|byteorder|\.data/\w+"
)
"""Accepted names of entries. Compiled libraries and objects other than tensors have other names."""

FREE = {
    "as_string",
    "as_strings",
    "stack_trace",
    "nn_module_stack",
    "source_fn_stack",
    "torch_fn",
    "custom",
    "from_node",
}
"""Keys of texts that torch stores or quotes, and never runs."""

NAMES = {"name", "as_name", "forward_arg_names"}
"""Keys of texts that become names of variables in torch's generated source code."""

SYMBOLIC = {
    *(f"_operator.{name}" for name in ("eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub", "pow")),
    *(f"_operator.{name}" for name in ("floordiv", "truediv", "mod", "and_", "or_", "lshift", "rshift")),
    *(f"torch.sym_{name}" for name in ("not", "int", "float", "ite", "max", "min", "sqrt", "sum")),
    "math.trunc",
    *(f"torch.ops.higher_order.{name}" for name in ("cond", "wrap_with_set_grad_enabled", "wrap_with_autocast")),
}
"""Functions that compute with sizes or run parts of the graph; everything else that a program calls is an operator."""

NAMESPACES = ("aten", "prims")
"""Namespaces of torch's own operators."""

FUNCTIONS = {
    *("Symbol", "Integer", "Rational", "Float", "Add", "Mul", "Pow", "Max", "Min", "Abs", "floor", "ceiling"),
    *("Not", "And", "Or", "Eq", "Ne", "Equality", "Unequality", "Piecewise", "ExprCondPair"),
    *("LessThan", "StrictLessThan", "GreaterThan", "StrictGreaterThan", "IsNonOverlappingAndDenseIndicator"),
    *("FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv"),
    *("LShift", "RShift", "PowByNatural", "FloatPow", "FloatTrueDiv", "IntTrueDiv", "TruncToFloat", "TruncToInt"),
    *("RoundToInt", "RoundDecimal", "ToFloat", "Identity", "cast_symbool_to_symint_guardless"),
    *("max", "min", "abs", "float", "int", "round"),
}
"""Functions in expressions of sizes, as sympy prints them or as guards write them."""

ATTRIBUTES = {"size", "stride", "storage_offset", "trunc", "floor", "ceil", "sqrt", "sym_max", "sym_min", "sym_float"}
"""Attributes of tensors, `math` and `torch` that guards use."""

SYNTAX = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Call, ast.keyword, ast.Attribute, ast.Subscript, ast.Tuple),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
)

EXPRESSION = re.compile(r"[A-Za-z0-9_ .,'()\[\]+*/%=<>!&|~^-]+")
"""Characters of an expression: none of them starts a comment or a new line."""

WORD = re.compile(r"[A-Za-z0-9_]*")
TEXT = re.compile(r"[A-Za-z0-9_ .:+-]*")
QUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|-?[0-9.]+(e[+-]?[0-9]+)?")
KEYS = re.compile(r'null|\[("\w*"(, "\w*")*)?\]', re.ASCII)


def load(path: Path) -> ExportedProgram:
    """Read a program that takes one tensor.

    Raises:
        ValueError: It holds something that may be code, or that is no part of such a program.
        Exception: Any exception of torch for damaged bytes.
    """
    _check(path)
    # Not torch.export.load: when a file fails, it tries an old format, which was not checked.
    program: ExportedProgram = load_pt2(str(path)).exported_programs["model"]
    # The keys of the inputs, too, become source code when the program becomes a module.
    if program.example_inputs:
        args, kwargs = program.example_inputs
        if kwargs or len(args) != 1 or not isinstance(args[0], torch.Tensor):
            raise ValueError("takes something else than one tensor")
    return program


def _check(path: Path) -> None:
    # Torch's own reader: another reader may find other entries in the same bytes.
    with PT2ArchiveReader(str(path)) as archive:
        for name in archive.get_file_names():
            if not ENTRIES.fullmatch(name):
                raise ValueError(f"holds {name[:80]!r}, which is no part of an exported program")
        for config in CONFIGS:
            if config in archive.get_file_names():
                for payload in json.loads(archive.read_string(config))["config"].values():
                    held = payload["path_name"]
                    _require(re.fullmatch(r"(weight|tensor)_\d+", held), "path_name", held)
        model = json.loads(archive.read_string(MODEL))
    _check_strings("", model)
    for placed in model["graph_module"]["graph"]["inputs"]:
        if list(placed) != ["as_tensor"]:
            raise ValueError("takes something else than tensors")


def _check_strings(key: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, below in value.items():
            _check_strings(name, below)
    elif isinstance(value, list):
        for below in value:
            _check_strings(key, below)
    elif isinstance(value, str):
        _require(_is_usual(key, value), key, value)


def _is_usual(key: str, text: str) -> bool:
    """Whether a text is one that programs written by torch have in the same place."""
    if key in FREE:
        return True
    if key in NAMES:
        return WORD.fullmatch(text) is not None
    if key in ("target", "as_operator"):
        return _is_operator(text)
    if key in ("expr_str", "guards_code"):
        return _is_expression(text)
    if key in ("in_spec", "out_spec"):
        return _is_nesting(json.loads(text)[1])
    return TEXT.fullmatch(text) is not None


def _is_operator(path: str) -> bool:
    if path in SYMBOLIC:
        return True
    found: Any = torch
    for name in path.split(".")[1:]:
        found = getattr(found, name, None)
    return path.startswith("torch.ops.") and isinstance(found, OpOverload) and found.namespace in NAMESPACES


def _is_expression(text: str) -> bool:
    return EXPRESSION.fullmatch(text) is not None and all(map(_is_arithmetic, ast.walk(ast.parse(text, mode="eval"))))


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=function):
            called = isinstance(function, ast.Name) and function.id in FUNCTIONS
            return called or isinstance(function, ast.Attribute)
        case ast.Attribute(attr=name):
            return name in ATTRIBUTES
        case ast.Name(id=name):
            return "__" not in name
        case ast.Constant(value=str(text)):
            # Sympy evaluates texts within an expression as well.
            return QUOTED.fullmatch(text) is not None and "__" not in text
        case ast.Constant(value=value):
            return value is None or isinstance(value, (bool, int, float))
    return isinstance(node, SYNTAX)


def _is_nesting(spec: Any) -> bool:
    """Whether values are nested in tuples, lists and dicts only; for other types torch would import any module."""
    kind, keys, below = spec["type"], spec["context"], spec["children_spec"]
    usual = kind in (None, "builtins.tuple", "builtins.list", "builtins.dict")
    return usual and KEYS.fullmatch(keys or "null") is not None and all(map(_is_nesting, below))


def _require(usual: Any, key: str, text: str) -> None:
    if not usual:
        raise ValueError(f"may run code: its {key} is {text[:80]!r}")
