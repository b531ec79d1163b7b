"""No module unpickles, whatever the file: arrays, checkpoints and YAML are read by loaders that run no code."""

import ast

import pytest

FORBIDDEN_MODULES = {"cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "_pickle"}
OF_PICKLE = {"UnpicklingError", "PickleError"}
"""What may be used of the module pickle: errors, to tell of them."""

UNSAFE_YAML = {
    *("unsafe_load", "unsafe_load_all", "full_load", "full_load_all"),
    *("Loader", "CLoader", "UnsafeLoader", "CUnsafeLoader", "FullLoader", "CFullLoader"),
}


def dotted(node):
    """The dotted name that an expression is, or nothing."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def offences(source):
    """What a module must not do, each with its line."""
    found = []
    tree = ast.parse(source)
    names, safe_loaders = {}, {"SafeLoader", "CSafeLoader"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def full(node):
        head, _, rest = dotted(node).partition(".")
        name = ".".join(part for part in (names.get(head, head), rest) if part)
        return name.replace("np.", "numpy.", 1) if name.startswith("np.") else name

    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and {full(base).removeprefix("yaml.") for base in node.bases} & safe_loaders:
            safe_loaders.add(node.name)
    for node in ast.walk(tree):
        for problem in problems(node, full, safe_loaders):
            found.append(f"line {node.lineno}: {problem}")
    return found


def problems(node, full, safe_loaders):
    if isinstance(node, ast.Import):
        yield from (a.name for a in node.names if a.name.partition(".")[0] in FORBIDDEN_MODULES)
    elif isinstance(node, ast.ImportFrom):
        top = (node.module or "").partition(".")[0]
        if top in FORBIDDEN_MODULES or (top == "pickle" and not {a.name for a in node.names} <= OF_PICKLE):
            yield f"from {node.module}"
        if top == "yaml":
            yield from (a.name for a in node.names if a.name in UNSAFE_YAML)
    elif isinstance(node, ast.Attribute):
        name = full(node)
        if name.startswith("pickle.") and name.removeprefix("pickle.") not in OF_PICKLE:
            yield name
        if name.startswith("yaml.") and name.removeprefix("yaml.") in UNSAFE_YAML:
            yield name
    elif isinstance(node, ast.Call):
        yield from call_problems(node, full(node.func), safe_loaders)


def call_problems(node, name, safe_loaders):
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    pickles = keywords.get("allow_pickle")
    if pickles is not None and not (isinstance(pickles, ast.Constant) and pickles.value is False):
        yield "allow_pickle that is not False"
    if name in ("numpy.load", "numpy.lib.format.read_array", "numpy.lib.npyio.NpzFile") and pickles is None:
        yield f"{name} without allow_pickle=False"
    weights = keywords.get("weights_only")
    if name in ("torch.load", "torch.serialization.load"):
        if not (isinstance(weights, ast.Constant) and weights.value is True):
            yield "torch.load without weights_only=True"
        if "pickle_module" in keywords:
            yield "torch.load of another pickle"
    if name in ("yaml.load", "yaml.load_all"):
        loader = keywords.get("Loader", node.args[1] if len(node.args) > 1 else None)
        if loader is None or dotted(loader).rpartition(".")[2] not in safe_loaders:
            yield f"{name} without a safe loader"
    if name in ("pandas.read_pickle", "numpy.lib.format.read_array_pickled"):
        yield name


def test_no_module_unpickles(root):
    found = {
        str(path.relative_to(root)): offences(path.read_text(encoding="utf-8"))
        for path in sorted((root / "adm").rglob("*.py"))
    }
    assert len(found) > 100
    assert {path: problems for path, problems in found.items() if problems} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "import numpy as np\nnp.load('a', allow_pickle=flag)",
        "import numpy as np\nnp.load('a')",
        "from numpy import load\nload('a')",
        "import torch\ntorch.load('a')",
        "import torch\ntorch.load('a', weights_only=False)",
        "import torch as t\nt.load('a', weights_only=flag)",
        "from torch import load\nload('a')",
        "import torch, dill\ntorch.load('a', weights_only=True, pickle_module=dill)",
        "import pickle\npickle.load(file)",
        "import pickle as p\np.Unpickler(file)",
        "from pickle import loads",
        "import joblib",
        "import yaml\nyaml.load(text)",
        "import yaml\nyaml.load(text, yaml.Loader)",
        "import yaml\nyaml.load(text, Loader=yaml.FullLoader)",
        "import yaml\nyaml.unsafe_load(text)",
        "from yaml import unsafe_load",
        "import yaml\nclass L(yaml.UnsafeLoader): ...\nyaml.load(text, L)",
        "import pandas\npandas.read_pickle('a')",
    ],
)
def test_what_unpickles_is_seen(source):
    assert offences(source)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.load('a', allow_pickle=False)",
        "import torch\ntorch.load('a', weights_only=True, mmap=True)",
        "import pickle\ntry: ...\nexcept pickle.UnpicklingError: ...",
        "import yaml\nyaml.safe_load(text)",
        "import yaml\nclass L(yaml.SafeLoader): ...\nyaml.load(text, L)",
        "import yaml\nclass L(yaml.CSafeLoader): ...\nyaml.load(text, L)",
        "import json\njson.load(file)",
    ],
)
def test_what_does_not_unpickle_is_let_through(source):
    assert not offences(source)
