# What all stages share: the checked params, the one place for path patterns, triggers and logs.

import os
import sys

from snakemake.exceptions import WorkflowError

if workflow.basedir not in sys.path:
    sys.path.insert(0, workflow.basedir)

# Jobs run in Snakemake's own environment, whether it is activated or not.
shell.prefix(f'PATH="{os.path.dirname(sys.executable)}:$PATH"; ')

from adm.artifacts.code import code_digest, verbs
from adm.params import UserError, check, load, read

if not config:

    configfile: "params.yaml"


try:
    FILE = check(config, workflow.configfiles[-1] if workflow.configfiles else "params").paths.params
    PARAMS = load(FILE)
except UserError as error:
    raise WorkflowError(str(error)) from None
if read(FILE) != config:
    raise WorkflowError(
        f"paths.params: the stages read {FILE}, which differs from the configuration given; edit the file"
    )

ROOT = PARAMS.paths.results

CODE = f"{ROOT}/code"
DATA = f"{ROOT}/data"
EXTRACTORS = f"{ROOT}/extractors"
CHECKPOINTS = f"{ROOT}/checkpoints"
SHARDS = f"{ROOT}/shards"
SAMPLES = f"{ROOT}/samples"
FEATURES = f"{ROOT}/features"
REFERENCES = f"{ROOT}/references"
METRICS = f"{ROOT}/metrics"
TABLES = f"{ROOT}/tables"
FIGURES = f"{ROOT}/figures"
LOGS = f"{ROOT}/logs"
WORK = f"{ROOT}/work"


def keys(section):
    """The wildcard constraint that admits the keys of a section and nothing else."""
    return "|".join(section) or "(?!)"


wildcard_constraints:
    dataset=keys(PARAMS.datasets),
    extractor=keys(PARAMS.extractors),
    model=keys(PARAMS.models),
    segment=keys(PARAMS.segments),
    reference=keys(PARAMS.references),
    run=keys(PARAMS.runs),
    sweep=keys({run.sweep for run in PARAMS.runs.values()}),


def triggers(verb, *sections):
    """What makes a job run again beside its inputs: the stage's code and the sections of the params file it reads.

    A section is a dotted path whose braces take the job's wildcards, or a function of them. The code's digest is no
    input file: Snakemake overlooks what else changed about a job that comes after one which is to run.
    """

    def values(wildcards):
        return {
            "code": code_digest(verb),
            **{path: section(path) for path in resolved(wildcards)},
        }

    def resolved(wildcards):
        return [path(wildcards) if callable(path) else path.format(**wildcards) for path in sections]

    return values


def training_of(wildcards):
    """How a segment's model is trained."""
    return PARAMS.models[PARAMS.segments[wildcards.segment].model].training


def checkpoint_of(wildcards):
    """The checkpoint that a run samples."""
    return f"{CHECKPOINTS}/{PARAMS.runs[wildcards.run].checkpoint}"


def classifier_of(wildcards):
    """The checkpoint of the classifier that guides a run."""
    return f"{CHECKPOINTS}/{PARAMS.runs[wildcards.run].classifier}"


def extractor_of(wildcards):
    """The key of the extractor of a run or of a reference."""
    owner = PARAMS.runs[wildcards.run] if hasattr(wildcards, "run") else PARAMS.references[wildcards.reference]
    return owner.extractor


def dataset_of(wildcards):
    """The dataset of a reference."""
    return f"{DATA}/{PARAMS.references[wildcards.reference].dataset}"


def metrics_of(shown):
    """The metrics of a table's or a curve's runs."""
    return expand(f"{METRICS}/{shown.sweep}/{{run}}.json", run=shown.rows)


def section(path):
    """A section of the params file as it stands there."""
    found = config
    for key in path.split("."):
        found = found[key]
    return found


def logged(command):
    """A stage's command; what it prints goes to the log, and to the terminal when it fails."""
    return f"( {command} ) > {{log}} 2>&1 || {{{{ status=$?; cat {{log}} >&2; exit $status; }}}}"


def everything():
    """The artifact of every section of the params file, and the metrics of every run."""
    keyed = {DATA: PARAMS.datasets, EXTRACTORS: PARAMS.extractors, CHECKPOINTS: PARAMS.segments}
    artifacts = [f"{folder}/{key}" for folder, section in keyed.items() for key in section]
    initial = [f"{CHECKPOINTS}/{model}-0" for model in PARAMS.models]
    references = [f"{REFERENCES}/{reference}/features" for reference in PARAMS.references]
    metrics = [f"{METRICS}/{run.sweep}/{key}.json" for key, run in PARAMS.runs.items()]
    return artifacts + initial + references + metrics


def tables(*names):
    """The files of tables."""
    return expand(f"{TABLES}/{{name}}.{{ending}}", name=names, ending=["csv", "md", "tex"])


def figures(*names):
    """The files of figures."""
    return expand(f"{FIGURES}/{{name}}.{{ending}}", name=names, ending=["png", "pdf"])
