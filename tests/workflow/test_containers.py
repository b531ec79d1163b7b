"""A job runs in the one image where Snakemake is asked to; otherwise nothing differs."""

import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from miniature import ROOT, miniature_params

IN_CONTAINERS = ("--software-deployment-method", "apptainer")

APPTAINER = """#!{python}
import json, os, subprocess, sys
from pathlib import Path

if sys.argv[1:] == ["--version"]:
    print("apptainer version 1.4.0")
else:
    Path("apptainer.json").write_text(json.dumps(sys.argv[1:]))
    # The image's python stands first on the image's PATH.
    path = os.pathsep.join([{programs!r}, "/usr/bin", "/bin"])
    sys.exit(subprocess.call(sys.argv[-3:], env={{**os.environ, "PATH": path}}))
"""
"""Stands in for Apptainer: records how it was called and runs the command outside of any container."""


@pytest.fixture(scope="module")
def project(new_project):
    return new_project("contained", miniature_params())


def test_an_image_that_is_not_there_is_named(project):
    printed = project.snakemake("--dry-run", *IN_CONTAINERS, succeeds=False)
    assert "adm.sif: does not exist; `make image`" in printed


@pytest.mark.slow
def test_a_job_runs_in_the_image_and_not_in_snakemakes_environment(project, tmp_path, monkeypatch):
    fake = tmp_path / "apptainer"
    programs = Path(sys.executable).parent
    fake.write_text(APPTAINER.format(python=sys.executable, programs=str(programs)))
    fake.chmod(0o755)
    (project.folder / "adm.sif").touch()
    monkeypatch.setitem(project.environment, "PATH", os.pathsep.join([str(tmp_path), project.environment["PATH"]]))
    target = "results/embedded/checkpoints/adm-64-0"
    project.snakemake(*IN_CONTAINERS, "--", target)
    *options, image, shell, flag, command = json.loads((project.folder / "apptainer.json").read_text())
    assert options[0] == "exec"
    assert (image, shell, flag) == ("adm.sif", "bash", "-c")
    assert "python -m adm init adm-64 --params params.yaml" in command
    assert str(programs) not in command
    assert (project.folder / target / "manifest.json").exists()


def test_the_image_has_the_python_of_the_other_environment():
    recipe = (ROOT / "Dockerfile").read_text()
    (base,) = [line for line in recipe.splitlines() if line.startswith("ARG BASE=")]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (python,) = [name for name in environment["dependencies"] if str(name).startswith("python=")]
    assert base.startswith(f"ARG BASE=python:{python.removeprefix('python=')}-")
