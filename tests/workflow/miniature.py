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

PROJECT_FILES = ["adm", "workflow", "profiles", "Snakefile", "dvc.yaml", ".dvcignore", ".gitignore"]


ELSEWHERE = {
    "umask": 0o027,
    "TZ": "Asia/Kathmandu",
    # Text without an encoding of its own is ASCII there.
    **{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "PYTHONHASHSEED": "1234",
    **dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"], "2"),
}
"""Another umask, clock, locale, order of sets, and number of threads that libraries would take by themselves."""


def miniature_params():
    """The embedded scale, cut down to one of everything, of few steps; most places of the tables hold a reason."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name in ("bedroom", "horse", "cat"):
        del params["datasets"][name], params["references"][name]
    params["execution"].update(shards=2, expected_minutes=None)
    params["extractors"]["digits"].update(iterations=300)
    params["models"] = {
        name: params["models"][name] for name in ("adm-128", "adm-64", "adm-u", "classifier-128", "unguided")
    }
    for name in ("adm-128", "adm-64", "adm-u", "classifier-128"):
        params["models"][name]["training"].update(batch_size=8)
    params["models"]["classifier-128"]["training"].update(annealing=4)
    params["segments"] = {
        "adm-128-2": {"model": "adm-128", "dataset": "digits", "previous": "adm-128-0", "stop": 2},
        "adm-128-4": {"model": "adm-128", "dataset": "digits", "previous": "adm-128-2", "stop": 4},
        "adm-64-2": {"model": "adm-64", "dataset": "digits-64", "previous": "adm-64-0", "stop": 2},
        "adm-u-2": {"model": "adm-u", "dataset": "digits", "previous": "adm-u-0", "stop": 2},
        "classifier-4": {"model": "classifier-128", "dataset": "digits", "previous": "classifier-128-0", "stop": 4},
    }
    params["gans"]["digits"].update(iterations=3, batch_size=8)
    small = {"num_samples": 22, "micro_batch": 5, "replicates": 40}
    base = {**params["runs"]["adm-128-250"], **small, "classifier": "classifier-4", "steps": "3"}
    unguided = {"classifier": "unguided-0", "gradient_scale": 0.0}
    params["runs"] = {
        "through-2": {**base, "checkpoint": "adm-128-2"},
        "through-4": {**base, "checkpoint": "adm-128-4"},
        "scale-0": {**base, "checkpoint": "adm-128-4", **unguided},
        "scale-2": {**base, "checkpoint": "adm-128-4", "gradient_scale": 2.0},
        "base-2": {**base, "checkpoint": "adm-64-2", **unguided, "reference": "digits-64"},
    }
    stack, gan = params["upsampled_runs"]["stack-540-500"], params["gan_runs"]["gan-1"]
    params["upsampled_runs"] = {
        "stack-2": {**stack, **small, "base": "base-2", "checkpoint": "adm-u-2", "steps": "3", "num_samples": 12}
    }
    params["gan_runs"] = {"gan-1": {**gan, **small}, "gan-0_5": {**gan, **small, "truncation": 0.5}}
    of_run = {"checkpoint": "adm-128-4", "classifier": "classifier-4"}
    few = {"steps": "4", "pairs": 2, "points": 3, "reconstructions": 3, "micro_batch": 4}
    params["interpolations"] = {"between": {**params["interpolations"]["interpolation-1"], **of_run, **few}}
    params["neighbours"] = {"near": {**params["neighbours"]["neighbours-guided"], "run": "scale-2"}}
    params["variations"] = {
        "varied": {"run": "scale-2", **of_run, "scales": [0.0, 2.0], "num_samples": 2, "threads": 1}
    }
    params["likelihoods"] = {
        "bits": {**params["likelihoods"]["likelihood-250"], "checkpoint": "adm-128-4", "steps": "4", "num_images": 5}
    }
    speed = params["throughput"]["throughput-128"]
    params["throughput"] = {"speed": {**speed, "steps": 1, "repetitions": 2, "optimised_batch": 8}}
    params["tables"] = miniature_tables(params["tables"])
    params["figures"] = miniature_figures()
    statement = {"statement": "Guidance changes FID", "source": "nowhere"}
    params["claims"] = {
        "guided": {**statement, "kind": "lower", "metric": "fid", "run": "scale-2", "than": "scale-0"},
        "faster": {**statement, "kind": "faster", "throughput": "speed"},
        "lighter": {**statement, "kind": "lighter", "model": "classifier-128", "than": "adm-128"},
        "copies": {**statement, "kind": "no_copies", "neighbours": ["near"], "ratio": 0.5, "copies": 0.1},
        "steps": {**statement, "kind": "reconstruction", "interpolation": "between", "better": "all_but_last"},
    }
    return params


def miniature_tables(tables):
    """Tables whose first places are filled, and one of one's own."""
    filled = {
        "table_8": {"rows": ["through-2", "through-4"]},
        "table_7": {"models": ["speed"]},
        "table_10": {"rows": ["gan-1", "through-4", "stack-2"]},
        "table_11": {"columns": ["adm-128"]},
        "table_14": {"ddpm": ["scale-2"]},
        "appendix_k": {"rows": ["scale-0", "scale-2"]},
    }
    nothing = {"none": "not in miniature"}
    cut = {
        name: {
            field: (filled.get(name, {}).get(field, []) + [nothing] * len(value))[: len(value)]
            for field, value in table.items()
            if isinstance(value, list)
        }
        for name, table in tables.items()
        if name != "further"
    }
    own = {"rows": {"a GAN": "gan-1", "a stack": "stack-2"}, "metrics": ["fid", "kid"], "caption": "Any runs."}
    return cut | {"further": own}


def miniature_figures():
    """A figure of each kind."""
    pair = {"ours": {"run": "scale-2"}, "real": {"dataset": "digits"}}
    return {
        "figure_5": {"kind": "ablations", "panels": {"All": {"one": ["through-2", "through-4"]}}},
        "figure_6": {"kind": "trade_offs", "curves": {"ADM-G": ["scale-0", "scale-2"], "GAN": ["gan-0_5", "gan-1"]}},
        "figure_7": {"kind": "neighbours", "blocks": {"Near": "near"}, "columns": 3},
        "figure_8": {"kind": "variation", "study": "varied"},
        "figure_9": {"kind": "comparison", "rows": {"all": pair}, "columns": 2, "lines": 2},
        "figure_10a": {"kind": "interpolation", "study": "between"},
        "figure_11": {"kind": "temperatures", "curves": {"any": ["through-2", "through-4"]}},
        "figure_21": {"kind": "class_grid", "run": "scale-2", "classes": [0, 1], "columns": 3},
        "figure_24": {"kind": "random_grid", "run": "stack-2", "rows": 2, "columns": 3},
        "likelihood": {"kind": "likelihoods", "curves": {"four iterations": "bits"}},
        "through-training": {
            "kind": "curves",
            "x": "iterations",
            "y": ["fid", "kid"],
            "curves": {"ours": ["through-2", "through-4"]},
            "caption": "Metrics along training.",
        },
    }


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
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))

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
        kinds += ["tables", "figures"]
        files = [path for kind in kinds for path in (root / kind).rglob("*")]
        files = [path for path in files if path.is_file() and path.name != ".snakemake_timestamp"]
        files.extend(root.glob("sizes.json"))
        # What is made from measured times differs from run to run.
        files = [path for path in files if path.stem not in ("table_7", "figure_5")]
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
