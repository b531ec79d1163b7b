"""The digest of a stage holds all that the stage executes, and its triggers all that it reads."""

import ast
import importlib
import json
import os
import shutil
import subprocess
import sys
from types import FunctionType
from typing import get_args, get_type_hints

import pytest
from making import verbs
from miniature import MINIATURE

from adm.artifacts import code
from adm.config.base import Config
from adm.config.registry import rows_in
from adm.params import load
from adm.pipeline import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("engines")]

TRACED = """
import importlib, json, sys, threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from adm.artifacts.code import PACKAGE
from adm.params import load
from adm.config.registry import rows_in
from adm.pipeline import Pipeline
from adm.pipeline.arguments import arguments
from adm.pipeline.carrying import made_by
from adm.pipeline.report import content_of_page
from adm.metrics.graph import load_tensorflow
import matplotlib.figure, matplotlib.backends.backend_pdf, pandas, scipy.stats, sklearn.datasets, torch._dynamo
load_tensorflow()  # traced, imports of libraries would take twice as long

pipeline, elsewhere, here, found = Pipeline(load("params.yaml")), Path(sys.argv[1]), str(PACKAGE) + "/", {}
jobs = [job for job in pipeline.jobs.values() if job.kind.name not in ("resolve", "fetch")]
executed = set()

def called(frame, event, argument):
    name = frame.f_code.co_filename
    if event == "call" and name.startswith(here) and name.endswith(".py"):
        executed.add((name.removeprefix(here), frame.f_code.co_qualname))

for job in jobs:
    kind = job.kind.name, *rows_in(job.sections), str(getattr(job.sections.get(job.kind.name), "kind", ""))
    if kind in found:
        continue
    executed.clear()
    moved = replace(job, root=elsewhere)
    environment = SimpleNamespace(device="cpu", timeout_seconds=60, every=50,
        execution=pipeline.params.execution, content=content_of_page(pipeline, {}))
    environment.made_by = made_by(job)
    stage = importlib.import_module(job.kind.stage).run
    given = arguments(stage, moved, environment)
    threading.settrace(called)
    sys.settrace(called)  # of Python's functions alone, where setprofile sees C's as well
    try:
        stage(**given)
    finally:
        sys.settrace(None)
        threading.settrace(None)
    found[kind] = job.kind.verb, rows_in(job.sections), sorted(executed)
Path(sys.argv[2]).write_text(json.dumps(list(found.values())))
"""


@pytest.fixture(scope="module")
def traced(by_snakemake, tmp_path_factory):
    """What jobs of every kind execute from `stage.run` on: stage, rows, and pairs of a file and a function."""
    folder = tmp_path_factory.mktemp("traced")
    environment = {**by_snakemake.environment, "PYTHONPATH": str(by_snakemake.folder)}
    command = [sys.executable, "-c", TRACED, folder / "results", folder / "found.json"]
    subprocess.run(command, cwd=by_snakemake.folder, env=environment, check=True)
    return [
        (stage, tuple(rows), [(name[:-3].replace("/", "."), function) for name, function in functions])
        for stage, rows, functions in json.loads((folder / "found.json").read_text())
    ]


def piece_of(module, function):
    """The piece that holds a function: its module, or its definition in a module of declarations."""
    module = f"adm.{module}".removesuffix(".__init__")
    return f"{module}:{function.partition('.')[0]}" if code.declares(module) else module


def counts(module, function):
    """Whether a function counts: words of errors do not, nor does what refuses values."""
    if f"adm.{module}" in code.WORDS:
        return False
    loaded = importlib.import_module(f"adm.{module}")
    names = function.replace(".<locals>", "").split(".")
    owner = getattr(loaded, names[0], None)
    validators = getattr(owner, "__pydantic_decorators__", None)
    if validators is not None and len(names) > 1:
        return names[1] not in {**validators.model_validators, **validators.field_validators}
    return True


def test_every_function_that_a_stage_executes_is_in_its_digest(traced):
    assert {stage for stage, _, _ in traced} >= set(verbs()) - {"resolve", "fetch", "adopt"}
    for stage, rows, functions in traced:
        assert functions
        pieces = code.code_of(stage, rows)
        missing = {piece_of(*each) for each in functions if counts(*each)} - set(pieces)
        assert not missing, f"{stage} {rows}"


def test_a_change_of_any_of_these_functions_changes_the_digest(traced, tmp_path, monkeypatch, root):
    """One function of each module, and each function of declarations, in a copy."""
    functions = {each for _, _, found in traced for each in found if counts(*each)}
    before = {(stage, rows): code.code_of(stage, rows) for stage, rows, _ in traced}
    package = shutil.copytree(root / "adm", tmp_path / "adm", ignore=shutil.ignore_patterns("__pycache__"))
    changed = set()
    for module in sorted({module for module, _ in functions}):
        path = package.joinpath(*module.split(".")).with_suffix(".py")
        tree, wanted = ast.parse(path.read_text()), {function for name, function in functions if name == module}
        declares = piece_of(module, "f") != f"adm.{module}"
        for node, name in named_functions(tree):
            if name in wanted and (declares or module not in changed):
                node.body.insert(0, ast.parse("another = 1").body[0])
                changed.add(piece_of(module, name) if declares else module)
        path.write_text(ast.unparse(tree))
    assert len(changed) > 100
    monkeypatch.setattr(code, "PACKAGE", package)
    for function in vars(code).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    try:
        for stage, rows, found in traced:
            after = code.code_of(stage, rows)
            for piece in {piece_of(*each) for each in found if counts(*each)}:
                is_changed = piece in changed or piece.removeprefix("adm.") in changed
                assert not is_changed or before[stage, rows][piece] != after[piece], piece
            assert {piece for piece in before[stage, rows] if before[stage, rows][piece] != after[piece]}
    finally:
        monkeypatch.undo()
        for function in vars(code).values():
            if hasattr(function, "cache_clear"):
                function.cache_clear()


def named_functions(tree, within=""):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = f"{within}{node.name}"
            if isinstance(node, ast.FunctionDef):
                yield node, name
            inner = f"{name}." if isinstance(node, ast.ClassDef) else f"{name}.<locals>."
            yield from named_functions(node, inner)


def sections_in(content):
    if isinstance(content, Config):
        yield content
        content = {name: getattr(content, name) for name in type(content).model_fields}
    if isinstance(content, dict):
        content = list(content.values())
    for one in content if isinstance(content, list) else ():
        yield from sections_in(one)


def takes_default(section, field):
    """Whether a section has a field, and its default in it, which tells what a job computes."""
    fields = type(section).model_fields
    return field in fields and field not in section.DECLARED and getattr(section, field) == fields[field].default


def sections_named(annotation):
    """The classes of sections in an annotation, and in those of their fields."""
    pending, found = [annotation], set()
    for each in pending:
        pending += get_args(getattr(each, "__value__", each))
        if isinstance(each, type) and issubclass(each, Config) and each not in found:
            found.add(each)
            pending += [field.annotation for field in each.model_fields.values()]
    return found


def test_methods_of_all_sections_that_a_stage_takes_are_in_its_digest():
    """The stage can call them, also those of the sections that are a section's values."""
    jobs = Pipeline(load(MINIATURE)).jobs.values()
    seen = set()
    for verb, stage, rows in {(job.kind.verb, job.kind.stage, tuple(rows_in(job.sections))) for job in jobs}:
        pieces = code.code_of(verb, rows)
        taken = get_type_hints(importlib.import_module(stage).run).values()
        for owner in {parent for hint in taken for section in sections_named(hint) for parent in section.__mro__}:
            module, own = owner.__module__.removeprefix("adm."), vars(owner).items()
            # Pydantic makes the hash.
            methods = [name for name, of in own if isinstance(of, FunctionType | property) and name != "__hash__"]
            if code.declares(owner.__module__) and any(counts(module, f"{owner.__name__}.{name}") for name in methods):
                seen.add(owner)
                assert f"{owner.__module__}:{owner.__name__}" in pieces, verb
    assert len(seen) > 10


SCRIPT = """
import json, sys
from adm.params import load
from adm.pipeline import Pipeline
print(json.dumps({name: job.values for name, job in Pipeline(load(sys.argv[1])).jobs.items()}))
"""


def test_a_changed_default_of_any_section_has_all_that_take_it_run_again(root, tmp_path):
    """One default of each class, in a copy: of numbers, as these stay valid."""
    pipeline = Pipeline(load(MINIATURE))
    package = shutil.copytree(root / "adm", tmp_path / "adm", ignore=shutil.ignore_patterns("__pycache__"))
    changed = {}
    for path in sorted([*(package / "config").glob("*.py"), *(package / "params").glob("*.py")]):
        tree = ast.parse(path.read_text())
        for node in tree.body:
            fields = [each for each in getattr(node, "body", ()) if isinstance(each, ast.AnnAssign) and each.value]
            numbers = [each for each in fields if type(getattr(each.value, "value", None)) in (int, float)]
            # Others of the miniature's values rest on these.
            fixed = ("gradient_scale", "groups", "timesteps", "noise_augmentation")
            numbers = [each for each in numbers if each.target.id not in fixed]
            if isinstance(node, ast.ClassDef) and numbers:
                # What decides which jobs there are would change these.
                field = next((each for each in numbers if each.target.id in ("threads", "seed")), numbers[0])
                field.value = ast.Constant(field.value.value + 1)
                changed[node.name] = field.target.id
        path.write_text(ast.unparse(tree))
    assert len(changed) > 20
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", SCRIPT, MINIATURE]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    after, seen = json.loads(done.stdout), set()
    for name, job in pipeline.jobs.items():
        taken = {
            parent.__name__
            for section in sections_in(dict(job.sections))
            for parent in type(section).__mro__
            if takes_default(section, changed.get(parent.__name__))
        }
        seen |= taken
        assert not taken or json.loads(json.dumps(job.values)) != after[name], name
    assert len(seen) > 10


def test_no_other_field_than_these_stays_out_of_what_a_job_takes():
    """They declare which images, and which jobs there are; inputs tell the same."""
    pending, left_out = [Config], set()
    for one in pending:
        pending += one.__subclasses__()
        left_out |= one.DECLARED
    assert left_out == {"curve", "dataset", "checkpoints", "start"}


@pytest.mark.parametrize("how", ["from theirs import helper", "import theirs.helper", "from .helper import half"])
def test_code_of_another_package_that_a_row_names_is_followed(how, tmp_path, monkeypatch):
    """Its modules count as those of this package do, and so does what they import of their own."""
    from adm.config.metrics import METRICS, Metric  # noqa: PLC0415

    package = tmp_path / "theirs"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("def half(x):\n    return x / 2\n")
    (package / "mean.py").write_text(f"{how}\n\n\ndef mean(inputs):\n    return inputs\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "theirs", raising=False)  # another test's
    row = Metric("Mean", "lower", "theirs.mean:mean", ("pool",))
    monkeypatch.setitem(METRICS, "mean", row)
    found = code.code_of("evaluate", ("metric.mean",))
    assert {"theirs.mean", "theirs.helper", "row metric.mean"} <= found.keys()
    assert not {"theirs.mean", "row metric.mean"} & code.code_of("evaluate").keys()
    digest = code.code_digest("evaluate", ("metric.mean",))
    (package / "helper.py").write_text("def half(x):\n    return x / 3\n")
    for function in vars(code).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()
    assert code.code_digest("evaluate", ("metric.mean",)) != digest


def test_what_a_row_names_may_be_a_module_alone_and_has_a_name(tmp_path, monkeypatch):
    from adm.config.metrics import METRICS, Metric  # noqa: PLC0415

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "single_file.py").write_text("def mean(inputs):\n    return 0.0\n")
    monkeypatch.setitem(METRICS, "mean", Metric("Mean", "lower", "single_file:mean", ("pool",)))
    assert "single_file" in code.code_of("evaluate", ("metric.mean",))
    monkeypatch.setitem(METRICS, "mean", Metric("Mean", "lower", lambda inputs: 0.0, ("pool",)))
    with pytest.raises(ValueError, match="no function with a name"):
        code.code_of("evaluate", ("metric.mean",))


def test_a_job_may_name_every_row(tmp_path, monkeypatch):
    from adm.config.metrics import METRICS  # noqa: PLC0415
    from adm.config.samplers import SAMPLERS  # noqa: PLC0415

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rows = tuple(f"{what.what}.{name}" for what in (METRICS, SAMPLERS) for name in what)
    assert len(code.code_digest("table", rows)) == 64
