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
TIMEOUT = 1800
"""Seconds after which a command hangs, on a busy machine, too."""

PROJECT_FILES = ["adm", "workflow", "profiles", "Snakefile", ".dvcignore", ".gitignore"]


ELSEWHERE = {
    "umask": 0o027,
    "TZ": "Asia/Kathmandu",
    # Text without an encoding of its own is ASCII there.
    **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "PYTHONHASHSEED": "1234",
    **dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "2"),
}
"""Another umask, clock, locale, order of sets, and number of threads that libraries would take by themselves."""


MINIATURE = Path(__file__).with_name("miniature.yaml")
"""The embedded scale, cut down to one of everything, of few steps."""


def miniature_params():
    """What the miniature's params file says."""
    return yaml.safe_load(MINIATURE.read_text())


class Project:
    """A copy of the project in a folder of its own, under git and DVC."""

    def __init__(self, folder, params, umask=-1, **environment):
        self.folder, self.umask = folder, umask
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", **environment}
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
        """Write the params file and the dvc.yaml that is of it."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        self.run("python", "-m", "adm", "dvc")

    def read_params(self):
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def run(self, *command, succeeds=True):
        """Run a command in the project; return what it printed."""
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.environment,
                umask=self.umask,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            printed = (error.output or b"").decode(errors="replace")
            raise AssertionError(f"{' '.join(command)}\n{printed}\nnot within {TIMEOUT} s") from None
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

    def repro(self, *options):
        """Run DVC; return the stages that it ran, by the names of Snakemake's."""
        return self.named(self.dvc("repro", *options))

    def named(self, printed):
        """The stages of which DVC printed that it runs them, by the names of Snakemake's."""
        names = re.findall(r"^Running stage '(.+)':", printed, flags=re.MULTILINE)
        printed = self.run(sys.executable, str(Path(__file__).with_name("plans.py")), "named", *names)
        return json.loads(printed.splitlines()[-1])

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
        kinds = ["data", "extractors", "checkpoints", "gans", "samples", "features", "references", "metrics", "studies"]
        kinds += ["tables", "figures", "claims"]
        files = [path for kind in kinds for path in (root / kind).rglob("*")]
        files = [path for path in files if path.is_file() and path.name != ".snakemake_timestamp"]
        files.extend(root.glob("sizes.json"))
        # What is made from measured times differs from run to run.
        files = [path for path in files if path.stem not in ("table_7", "figure_5_seconds", "speed")]
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(files)}


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    """A folder for projects, apart from this repository."""
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="session")
def new_project(projects):
    """Make a project of a name and params."""
    return lambda name, params, **elsewhere: Project(projects / name, params, **elsewhere)


@pytest.fixture(scope="session")
def by_snakemake(new_project):
    """A project that Snakemake has run."""
    project = new_project("by_snakemake", miniature_params())
    project.snakemake("--quiet", "all")
    return project


@pytest.fixture(scope="session")
def by_dvc(new_project):
    """A project that DVC has run, where all is different that must make no difference."""
    project = new_project("by dvc", miniature_params(), **ELSEWHERE)
    project.repro()
    return project
