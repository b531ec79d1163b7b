"""What is installed: every file of the package, its version, and which modules need an extra."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.requirements import Requirement

from adm.errors import EXTRAS, extras_named
from adm.params import UserError

MODULES = {
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
}
"""By distribution, a module that is called otherwise."""

BROUGHT = {"cycler": "matplotlib", "google": "tensorboard", "markupsafe": "jinja2"}
"""By module, the distribution that needs it itself: nothing else has to name it."""

WITHOUT_EXTRAS = """
import sys
from importlib import import_module
from adm.errors import EXTRAS
sys.modules |= dict.fromkeys(EXTRAS)
for name in ("adm.api", *(f"adm.tools.{tool}" for tool in ("score", "generate", "export", "jobs"))):
    import_module(name)
from adm.cli import main
sys.argv = ["adm", "table", "table_14"]
main()
"""


@pytest.fixture
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


def files_of(package):
    paths = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(package.parent)) for path in paths}


def imported(path):
    """The top-level names of the modules that a file imports by absolute imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


@pytest.mark.slow
def test_a_wheel_holds_every_file_of_the_package_and_an_archive_without_git_makes_one(root, project, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(root / "adm", copy / "adm", ignore=shutil.ignore_patterns("__pycache__"))
    for path in filter(lambda path: path.is_file() and path.name[0] != ".", root.iterdir()):
        shutil.copy(path, copy)
    build = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*build, "--wheel-dir", tmp_path, copy], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.split("-")[:2] == ["adm", project["tool"]["setuptools_scm"]["fallback_version"]]
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if not re.match(r"adm-[^/]*\.dist-info/", name)}
    assert held == files_of(root / "adm")


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


@pytest.mark.slow
def test_the_base_is_enough_to_generate_score_and_convert(root, tmp_path):
    shutil.copy(root / "params.yaml", tmp_path)
    command = [sys.executable, "-c", WITHOUT_EXTRAS]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "adm[workflow]" in done.stderr


def test_the_version_is_that_which_is_installed(adm):
    assert adm("--version") == (0, f"{version('adm')}\n", "")
