"""A project in miniature: the same code, rules and stages, with a params file that runs in a minute."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT_FILES = ["adm", "workflow", "Snakefile", "dvc.yaml", ".dvcignore", ".gitignore"]


def miniature_params():
    """The embedded scale, cut down to two checkpoints and four runs of a few steps."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["extractors"]["digits"].update(iterations=300)
    params["models"]["adm"]["training"].update(batch_size=8)
    params["models"]["classifier"]["training"].update(batch_size=8, annealing=4)
    params["segments"] = {
        "adm-2": {"model": "adm", "dataset": "digits", "previous": "adm-0", "stop": 2},
        "adm-4": {"model": "adm", "dataset": "digits", "previous": "adm-2", "stop": 4},
        "classifier-4": {"model": "classifier", "dataset": "digits", "previous": "classifier-0", "stop": 4},
    }
    base = {**params["runs"]["through-250"], "classifier": "classifier-4", "steps": "3"}
    base |= {"num_samples": 22, "micro_batch": 5}
    params["runs"] = {
        "through-2": {**base, "checkpoint": "adm-2"},
        "through-4": {**base, "checkpoint": "adm-4"},
        "scale-0": {**base, "checkpoint": "adm-4", "sweep": "scale", "classifier": "unguided-0", "gradient_scale": 0.0},
        "scale-2": {**base, "checkpoint": "adm-4", "sweep": "scale", "gradient_scale": 2.0},
    }
    params["tables"]["table_8"]["rows"] = ["through-2", "through-4"]
    params["figures"]["figure_6"]["rows"] = ["scale-0", "scale-2"]
    params["figures"]["figure_21"].update(run="scale-2", columns=3)
    return params


class Project:
    """A copy of the project in a folder of its own, under git and DVC."""

    def __init__(self, folder, params):
        self.folder = folder
        folder.mkdir()
        for name in PROJECT_FILES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / name)
        self.write_params(params)
        self.run("git", "init", "--quiet")
        self.run("dvc", "init", "--quiet")
        self.run("dvc", "config", "core.analytics", "false")

    def write_params(self, params):
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

    def read_params(self):
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def run(self, *command, succeeds=True):
        """Run a command in the project; return what it printed."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == succeeds, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def snakemake(self, *options, succeeds=True):
        return self.run("snakemake", "--cores", "2", *options, succeeds=succeeds)

    def dvc(self, *arguments, succeeds=True):
        return self.run("dvc", *arguments, succeeds=succeeds)

    def needed(self):
        """The stages that Snakemake would run now."""
        printed = self.run(sys.executable, str(Path(__file__).with_name("plans.py")), "needed")
        return json.loads(printed.splitlines()[-1])

    def repro(self):
        """Run DVC; return the stages that it ran."""
        printed = self.dvc("repro")
        return sorted(re.findall(r"^Running stage '(.+)':", printed, flags=re.MULTILINE))

    @contextmanager
    def edited(self, name, old, new):
        """Another content of a file for a while."""
        path = self.folder / name
        content = path.read_text()
        assert content.count(old) == 1, f"{name} holds {old!r} {content.count(old)} times"
        path.write_text(content.replace(old, new))
        try:
            yield
        finally:
            path.write_text(content)

    def artifacts(self):
        """The bytes of everything that the stages made."""
        root = self.folder / "results" / "embedded"
        kinds = [
            "data",
            "extractors",
            "checkpoints",
            "samples",
            "features",
            "references",
            "metrics",
            "tables",
            "figures",
        ]
        files = [path for kind in kinds for path in (root / kind).rglob("*")]
        files = [path for path in files if path.is_file() and path.name != ".snakemake_timestamp"]
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(files)}


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    """A folder for projects, apart from this repository."""
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="session")
def new_project(projects):
    """Make a project of a name and params."""
    return lambda name, params: Project(projects / name, params)


@pytest.fixture(scope="session")
def by_snakemake(new_project):
    """A project that Snakemake has run."""
    project = new_project("by_snakemake", miniature_params())
    project.snakemake("--quiet", "all")
    return project


@pytest.fixture(scope="session")
def by_dvc(new_project):
    """A project that DVC has run."""
    project = new_project("by_dvc", miniature_params())
    project.repro()
    return project
