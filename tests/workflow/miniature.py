"""A project in miniature: the same code, rules and stages, with a params file that runs in a minute."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
import yaml

from adm.dvc_file import stage_name
from adm.fork_server import PLACE
from adm.params import load
from adm.pipeline import Pipeline

ROOT = Path(__file__).parents[2]
TIMEOUT = 1800
"""Seconds after which a command hangs, on a busy machine, too."""

PROJECT_FILES = ["adm", "workflow", "profiles", "Snakefile", "Makefile", ".dvcignore", ".gitignore"]

MANY = "MANY = 8"
"""From how many jobs on Snakemake starts a process of which they are forks."""

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
    return yaml.safe_load(MINIATURE.read_text())


def after(pipeline, changed):
    found = set(changed)
    for name, job in pipeline.jobs.items():
        if not found.isdisjoint(pipeline.after(job)):
            found.add(name)
    return found


def rerun(before, now):
    """The jobs that the graph says are to run, once it is `now` what was `before`; the first one reads all params."""
    read = {name: (job.triggers, job.inputs) for name, job in before.jobs.items()}
    changed = {name for name, job in now.jobs.items() if read.get(name) != (job.triggers, job.inputs)}
    return after(now, {"resolve", *changed})


class Project:
    """A copy of the project in a folder of its own, under git and DVC.

    Args:
        folder: Where it is to be; its parent exists.
        params: The content of its params file.
        template: A project that it is a copy of, but for the params file; without one it is a copy of this repository.
        umask: The umask of its commands.
        environment: More variables of their environment.
    """

    def __init__(self, folder, params, template=None, umask=-1, **environment):
        self.folder, self.umask = folder, umask
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environment = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", **environment}
        # Its commands compile each module once, whatever the tests are told.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if template:
            shutil.copytree(template.folder, folder)
        else:
            self._begin()
        self.write_params(params)

    def _begin(self):
        self.folder.mkdir()
        for name in PROJECT_FILES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, self.folder / name)
        self.run("git", "init", "--quiet")
        self.run("dvc", "init", "--quiet")

    def write_params(self, params):
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        self.run("python", "-m", "adm", "dvc")

    def run(self, *command, succeeds=True):
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

    def pipeline(self):
        return Pipeline(load(self.folder / "params.yaml"))

    def needed(self):
        return self.needed_of("params.yaml")[0]

    def needed_of(self, *files):
        """The jobs that it would run now, if the params file were each of these, which one process tells."""
        printed = self.run(sys.executable, str(Path(__file__).with_name("plans.py")), "needed", *files)
        return [set(names) for names in json.loads(printed.splitlines()[-1])]

    def repro(self, *options):
        return self.named(self.dvc("repro", *options))

    def named(self, printed):
        jobs = {stage_name(job): name for name, job in self.pipeline().jobs.items()}
        return {jobs[name] for name in re.findall(r"^Running stage '(.+)':", printed, flags=re.MULTILINE)}

    def make(self, target, succeeds=True):
        """Make a target of the Makefile; the environment is there already."""
        return self.run("make", "--silent", "--assume-old=.venv/ready", target, succeeds=succeeds)

    @contextmanager
    def edited(self, name, edit):
        """Another content of a file for a while: what `edit` makes of its text."""
        path = self.folder / name
        content = path.read_text()
        assert edit(content) != content
        path.write_text(edit(content))
        try:
            yield
        finally:
            path.write_text(content)

    @staticmethod
    def with_values(text, values):
        """The text of a params file with other values by their places, such as `{"runs__through__steps": "4"}`."""
        params = yaml.safe_load(text)
        for place, value in values.items():
            *keys, last = place.split("__")
            section = params
            for key in keys:
                section = section[key]
            section[last] = value
        return yaml.safe_dump(params, sort_keys=False)

    def changed(self, **values):
        return self.edited("params.yaml", lambda text: self.with_values(text, values))

    def variant(self, name, values):
        """Write a params file with such values beside the one that is; return its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(self.with_values((self.folder / "params.yaml").read_text(), values))
        return path

    def artifacts(self):
        root = self.folder / "results" / "embedded"
        kinds = ["data", "extractors", "checkpoints", "gans", "samples", "features", "references", "metrics", "studies"]
        kinds += ["judged", "tables", "figures", "claims", "jobs"]
        files = [path for kind in kinds for path in (root / kind).rglob("*")]
        files = [path for path in files if path.is_file() and path.name != ".snakemake_timestamp"]
        files += [path for name in ("sizes.json", "params.yaml") for path in root.glob(name)]
        # What is made from measured times differs from run to run.
        files = [path for path in files if path.stem not in ("table_7", "figure_5_seconds", "speed")]
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(files)}


@contextmanager
def warmed(package, folder, environment=os.environ):
    """An environment in which verbs are forks of one process, which has imported the libraries.

    Args:
        package: The folder of the code that it imports.
        folder: An empty one, for this process.
        environment: Of this process, and to be added to.
    """
    given = {**environment, PLACE: str(folder / "socket")}
    with subprocess.Popen([sys.executable, "-m", "adm.fork_server"], cwd=package, env=given, stdin=PIPE) as process:
        while not Path(given[PLACE]).exists():
            assert process.poll() is None
            time.sleep(0.05)
        # In the end its input is closed, which ends it.
        yield given


@pytest.fixture(scope="session")
def projects(tmp_path_factory):
    return tmp_path_factory.mktemp("projects")


@pytest.fixture(scope="session")
def template(projects):
    return Project(projects / "template", {})


@pytest.fixture(scope="session")
def new_project(projects, template):
    return lambda name, params, **elsewhere: Project(projects / name, params, template, **elsewhere)


def start_no_forks(project):
    """Have Snakemake not start a process of which jobs are forks, for a second; it does in tests of kills."""
    rules = project.folder / "workflow" / "common.smk"
    text = rules.read_text()
    assert text.count(MANY) == 1
    rules.write_text(text.replace(MANY, "MANY = 1000"))


@contextmanager
def run_by(command, project, folder):
    """A project that an engine has run; jobs are forks of one process, also later ones, as Snakemake's many are."""
    start_no_forks(project)
    with warmed(project.folder, folder, project.environment) as project.environment:
        project.run(*command)
        yield project


@pytest.fixture(scope="session")
def by_snakemake(new_project, tmp_path_factory):
    project = new_project("by_snakemake", miniature_params())
    command = ["snakemake", "--cores", "2", "--quiet", "all"]
    with run_by(command, project, tmp_path_factory.mktemp("warm")) as run:
        yield run


@pytest.fixture(scope="session")
def by_dvc(new_project, tmp_path_factory):
    """A project that DVC has run, where all is different that must make no difference."""
    project = new_project("by dvc", miniature_params(), **ELSEWHERE)
    with run_by(["dvc", "repro"], project, tmp_path_factory.mktemp("warm")) as run:
        yield run
