"""What is installed: every file of the package, its version, and which modules need an extra."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch
from packaging.requirements import Requirement

from adm.errors import EXTRAS, extras_named
from adm.metrics.small_extractor import ExtractorNetwork, freeze
from adm.nets.opening import Card, LoadedNetwork, write_network
from adm.params import UserError

MODULES = {
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
}
"""By distribution, a module that is called otherwise."""

BROUGHT = {"google": "tensorboard", "markupsafe": "jinja2"}
"""By module, the distribution that needs it itself: nothing else has to name it."""


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


def files_of(package):
    paths = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(package.parent)) for path in paths}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


FROM_A_WHEEL = """
import json, sys
from adm.errors import EXTRAS
sys.modules |= dict.fromkeys(EXTRAS)
import adm
assert adm.__file__.startswith(sys.argv[1])
from adm.cli import main
for arguments in json.loads(sys.argv[2]):
    sys.argv = ["adm", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""
"""Calls verbs one after the other, in a process that can import no extra, until one fails."""


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "copy"
    copy.mkdir()
    shutil.copytree(root / "adm", copy / "adm", ignore=shutil.ignore_patterns("__pycache__"))
    for path in filter(lambda path: path.is_file() and path.name[0] != ".", root.iterdir()):
        shutil.copy(path, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*build, "--wheel-dir", folder, copy], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_package_and_an_archive_without_git_makes_one(root, project, wheel):
    assert wheel.name.split("-")[:2] == ["adm", project["tool"]["setuptools_scm"]["fallback_version"]]
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not re.match(r"adm-[^/]*\.dist-info/", name)}
    assert held == files_of(root / "adm")


@pytest.mark.slow
@pytest.mark.parametrize("python", [sys.executable, ".venv-3.13/bin/python"], ids=["this", "3.13"])
def test_a_wheel_without_clone_and_extras_generates_scores_and_converts(
    python, root, wheel, tiny_model, randomised, tmp_path
):
    """A model in one file, two batches of its images, and their distance by a small graph; a stage names its extra."""
    if not (root / python).exists():
        pytest.skip("make .venv-3.13/ready makes the other Python")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    model = tiny_model()
    network = LoadedNetwork(tmp_path, randomised(model), model, Card(model=model, source_sha256="none"))
    write_network(tmp_path / "model.safetensors", network, torch.float16, {"steps": "5", "sampler": "ddim"})
    draws = torch.Generator().manual_seed(0)
    (tmp_path / "graph.pb").write_bytes(freeze(ExtractorNetwork(2, 8, num_features=8, generator=draws)))
    shutil.copy(root / "params.yaml", tmp_path)
    calls = [
        "generate model.safetensors --class 1 -n 8 --seed 0 --out a",
        "generate model.safetensors --class 1 -n 8 --seed 50 --out b",
        "generate emoji --class flags -n 1 --steps 2 --out flag",
        "score a/images b/samples.npz --graph graph.pb --threads 1",
        "export model.safetensors model.pt",
        "jobs",
        "table table_14",
    ]
    arguments = [str(tmp_path / "site"), json.dumps([call.split() for call in calls])]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [str(root / python), "-c", FROM_A_WHEEL, *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2, done.stderr
    assert [*(tmp_path / "flag" / "images").glob("*-flags.png")]
    assert re.search(r"\| FID +\| +[0-9.]+ ", done.stdout), done.stdout
    assert (tmp_path / "model.pt").is_file()
    (line,) = [line for line in done.stderr.splitlines() if "error: " in line]
    assert "adm[workflow]" in line


def test_each_import_is_of_the_base_or_of_a_named_extra(root, project):
    def modules(requirements):
        names = [Requirement(line).name for line in requirements]
        return {MODULES.get(name, name) for name in names}

    base = modules(project["project"]["dependencies"])
    extras = project["project"]["optional-dependencies"]
    found = {BROUGHT.get(name, name) for path in (root / "adm").rglob("*.py") for name in imported(path)}
    assert found - set(sys.stdlib_module_names) - {"adm"} - base == set(EXTRAS)
    for module, extra in EXTRAS.items():
        assert module in modules(extras[extra])


@pytest.mark.parametrize(
    ("error", "extra"),
    [
        (ModuleNotFoundError(name="pandas.core"), "adm[workflow]"),
        (ModuleNotFoundError(name="sklearn"), "adm[workflow]"),
        (PackageNotFoundError("tensorflow"), "adm[tensorflow]"),  # who asks for its version before it is imported
    ],
)
def test_a_missing_module_names_its_extra(error, extra):
    with pytest.raises(UserError, match=re.escape(extra)), extras_named():
        raise error


def test_other_missing_modules_are_faults():
    with pytest.raises(ModuleNotFoundError), extras_named():
        raise ModuleNotFoundError(name="adm.absent")


def test_the_version_is_that_which_is_installed(adm):
    assert adm("--version") == (0, f"{version('adm')}\n", "")
