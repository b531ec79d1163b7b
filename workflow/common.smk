# What rules are made of. A rule is a kind of job; `adm.pipeline` gives its files, params, threads and resources.

import hashlib
import json
import os
import signal
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

if workflow.basedir not in sys.path:
    sys.path.insert(0, workflow.basedir)

from adm.params import UserError, load
from adm.params.load import read_yaml, write
from adm.pipeline import Pipeline, kinds

if not workflow.configfiles:

    configfile: "params.yaml"


FILE = os.path.relpath(workflow.configfiles[-1])

try:
    PARAMS = load(FILE)
    PIPELINE, KINDS = Pipeline(PARAMS), kinds()
    PIPELINE.makers  # of which no two make one path
except UserError as error:
    raise WorkflowError(str(error)) from None
if read_yaml(Path(FILE)) != config:
    raise WorkflowError(f"--config, or several --configfile: the stages read {FILE} alone; edit that")

ROOT = str(PIPELINE.root)

# The image for jobs with `--software-deployment-method apptainer`.
IMAGE = "adm.sif"


container: IMAGE


# Slurm's warning goes to all processes of a job. It is for training, which saves its state then, and for nobody else.
signal.signal(signal.SIGUSR1, signal.SIG_IGN)

# From how many jobs on a process with all libraries loaded is worth its start; see `adm.fork_server`.
MANY = 8


if DeploymentMethod.APPTAINER not in workflow.deployment_settings.deployment_method:
    # Jobs run in Snakemake's own environment, even if it is not activated.
    shell.prefix(f'PATH="{os.path.dirname(sys.executable)}:$PATH"; ')
elif not os.path.exists(IMAGE):
    raise WorkflowError(f"{IMAGE}: does not exist; `make image` builds it from the Dockerfile")

if workflow.workflow_settings.cache is not None:
    raise WorkflowError(
        "--cache: is not for these rules, whose outputs Snakemake's cache would know by their params alone; what was made "
        "is shared through DVC"
    )


# Rules with several jobs, or one that reads a part of the params file; `resolve` reads all of it.
SEVERAL = KINDS.keys() - {"resolve"}


def job(rule, wildcards):
    """The job of a rule and its wildcards."""
    return PIPELINE.jobs["/".join([rule, *wildcards])]


def inputs(rule):
    """The paths that a job reads."""
    return lambda wildcards: list(map(str, dict.fromkeys(job(rule, wildcards).inputs.values())))


def outputs(rule):
    """What a rule writes, with the wildcard `key`; Snakemake's own report shows the file with an ending."""
    kind = KINDS[rule]
    paths = [os.path.join(ROOT, path) for path in kind.outputs.values()]
    paths = [directory(path.rstrip(os.sep)) if path.endswith(os.sep) else path for path in paths]
    how = {"category": f"{rule.capitalize().rstrip('s')}s", "labels": {rule: "{key}"}}
    how |= {"caption": "caption.rst"} if rule != "claims" else {}
    return [report(path, **how) if kind.shown and path.endswith(kind.shown) else path for path in paths]


def log_of(rule):
    """Where a job's output goes. The stage's own journal beside it, in `.txt`, keeps all tries."""
    return f"{os.path.join(ROOT, 'logs', rule, *KINDS[rule].wildcards)}.out"


def keys(rule):
    """The wildcard constraint that accepts only the keys of a rule."""
    return "|".join(dict.fromkeys(one.key for one in PIPELINE.of_kind(rule))) or "(?!)"


def threads_of(rule):
    """The threads of all processes of a job on a node."""
    return lambda w: job(rule, w).threads * getattr(PIPELINE.resources(job(rule, w)), "processes", 1)


def resources_of(rule):
    """The resources of a job, for clusters; each retry gets twice as much memory and time."""
    jobs = PIPELINE.of_kind(rule)
    if not jobs:
        return {}
    taken = PIPELINE.resources(jobs[0])
    on_gpus = any(getattr(PIPELINE.resources(one), "device", "cpu") == "cuda" for one in jobs)
    nodes = getattr(taken, "nodes", 1)
    shape = {"gpu": taken.world_size} if on_gpus else {}
    if nodes > 1:
        # One task a node, which the job starts itself: "mpi" has Snakemake leave that to it.
        shape |= {"nodes": nodes, "tasks": nodes, "tasks_per_gpu": 0, "mpi": "srun"}
        shape |= {"slurm_extra": f"--gpus-per-node={taken.processes} --signal=USR1@60"} if on_gpus else {}

    def doubled(amount):
        return lambda wildcards, attempt: amount * 2 ** (attempt - 1)

    return {"mem_mb": doubled(taken.memory_mb), "runtime": doubled(taken.minutes), **shape}


def triggers(rule):
    """What makes a job run again besides its inputs: its stage's code, and its values of the params file.

    The code's digest is a param, not an input file. If an input file is about to be made again, Snakemake does not
    notice other changes of the jobs that read it. DVC only compares files, so `resolve` writes one for each job.
    """
    return (lambda wildcards: job(rule, wildcards).triggers) if rule in SEVERAL else fingerprint()


def fingerprint():
    """A hash of what has any job run again."""
    found = {name: one.triggers for name, one in PIPELINE.jobs.items()}
    return hashlib.sha256(json.dumps([found, write(PARAMS)]).encode()).hexdigest()


def command(rule):
    """A job's command line; its output goes to the log, and if the job fails, the terminal shows the log's end.

    Snakemake removes the log of an earlier try before it starts the next.
    """
    kind = KINDS[rule]
    key = f" {kind.prefix}{{wildcards.key}}" if kind.wildcards else ""
    flag = f" {kind.flag}" if kind.flag else ""
    adm = f"python -m adm {kind.verb.replace('_', '-')}{key}{flag} --params {FILE}"
    return f"( {adm} ) > {{log}} 2>&1 || {{{{ status=$?; tail -n 20 {{log}} >&2; exit $status; }}}}"
