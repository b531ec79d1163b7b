# What all rules share. A rule is a kind of job: its files, params, threads and resources are asked of `adm.pipeline`.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

if workflow.basedir not in sys.path:
    sys.path.insert(0, workflow.basedir)

from adm.params import UserError, load
from adm.params.parsing import read_yaml
from adm.pipeline import RULES, SHARED, Pipeline

if not workflow.configfiles:

    configfile: "params.yaml"


FILE = os.path.relpath(workflow.configfiles[-1])

try:
    PARAMS = load(FILE)
except UserError as error:
    raise WorkflowError(str(error)) from None
if read_yaml(Path(FILE)) != config:
    raise WorkflowError(f"--config: the stages read {FILE}, which differs from the configuration given; edit the file")

PIPELINE = Pipeline(PARAMS)
ROOT = str(PIPELINE.root)

# What jobs run in under `--software-deployment-method apptainer`.
IMAGE = "adm.sif"


container: IMAGE


if DeploymentMethod.APPTAINER not in workflow.deployment_settings.deployment_method:
    # Jobs run in Snakemake's own environment, whether it is activated or not.
    shell.prefix(f'PATH="{os.path.dirname(sys.executable)}:$PATH"; ')
elif not os.path.exists(IMAGE):
    raise WorkflowError(f"{IMAGE}: does not exist; `make image` builds it from the Dockerfile")

if workflow.workflow_settings.cache is not None:
    raise WorkflowError(
        "--cache: would take the shards of a run for one another, since Snakemake's cache knows jobs by their params and "
        "not by their wildcards; what was made is shared through DVC"
    )


def job(rule, wildcards):
    """The job of a rule and its wildcards."""
    return PIPELINE.jobs["/".join([rule, *wildcards])]


def inputs(rule):
    """What a job reads."""
    return lambda wildcards: list(map(str, dict.fromkeys(job(rule, wildcards).inputs.values())))


def outputs(rule):
    """What a rule writes, with the wildcards `key` and `shard`; its last folder ends in no slash."""
    paths = [f"{ROOT}/{path}" for path in RULES[rule].outputs.values()]
    return [directory(path.rstrip("/")) if path.endswith("/") else path for path in paths]


def log_of(rule):
    """Where what a job prints goes. The stage's own journal beside it, in `.txt`, keeps all tries."""
    wildcards = "/{key}" if "{key}" in str(RULES[rule].outputs) else ""
    return f"{ROOT}/logs/{rule}{wildcards}{'/{shard}' if rule == 'sample_shard' else ''}.out"


def keys(rule):
    """The wildcard constraint that admits the keys of a rule and nothing else."""
    return "|".join(dict.fromkeys(found.key for found in PIPELINE.of_rule(rule))) or "(?!)"


def threads_of(rule):
    """The threads of all processes of a job."""
    return lambda w: job(rule, w).threads * getattr(PIPELINE.resources(job(rule, w)), "processes", 1)


def resources_of(rule):
    """What a job takes, for clusters; each time it is tried again, twice as much memory and time."""
    found = PIPELINE.of_rule(rule)
    if not found:
        return {}
    taken = PIPELINE.resources(found[0])
    gpus = {"gpu": taken.processes} if getattr(taken, "device", "cpu") == "cuda" else {}

    def doubled(amount):
        return lambda wildcards, attempt: amount * 2 ** (attempt - 1)

    return {"mem_mb": doubled(taken.memory_mb), "runtime": doubled(taken.minutes), **gpus}


def triggers(rule):
    """What has a job run again, beside its inputs: its stage's code, and what it reads of the params file.

    The code's digest is no input file: Snakemake overlooks what else changed about a job that comes after one which is
    to run.
    """
    return lambda wildcards: job(rule, wildcards).triggers


def command(rule):
    """A job's command line; what it prints goes to the log, whose end is shown on the terminal when it fails.

    Snakemake removes the log of an earlier try before it begins another.
    """
    key = f" {RULES[rule].prefix}{{wildcards.key}}" if "{key}" in str(RULES[rule].outputs) else ""
    shard = " --shard {wildcards.shard}" if rule == "sample_shard" else ""
    adm = f"python -m adm {RULES[rule].verb.replace('_', '-')}{key}{shard} --params {FILE}"
    return f"( {adm} ) > {{log}} 2>&1 || {{{{ status=$?; tail -n 20 {{log}} >&2; exit $status; }}}}"
