"""A project in miniature: the same code, rules and stages, with a params file that runs in a minute."""

import os
import shutil
import subprocess
import sys
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
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert (done.returncode == 0) == succeeds, f"{' '.join(command)}\n{done.stdout}"
        return done.stdout

    def snakemake(self, *options, succeeds=True):
        return self.run("snakemake", "--cores", "2", *options, succeeds=succeeds)

    def dvc(self, *arguments, succeeds=True):
        return self.run("dvc", *arguments, succeeds=succeeds)

    def planned_by_snakemake(self):
        """The jobs of a dry run, as stages: `rule@key`, and a run's shards as its sample stage."""
        lines = self.snakemake("--dry-run", "--quiet", "host").splitlines()
        return lines


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    return lambda name: Project(tmp_path_factory.mktemp("projects") / name, miniature_params())
