# What all stages share: the checked params, the one place for path patterns, triggers and logs.

import os
import sys

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

if workflow.basedir not in sys.path:
    sys.path.insert(0, workflow.basedir)

from adm.artifacts.code import code_digest, verbs
from adm.params import UserError, check, load, read
from adm.params.needs import needs_of_claims, needs_of_figure, needs_of_table
from adm.params.report import FIGURES as FIGURE_NAMES
from adm.params.report import PAPER_TABLES
from adm.params.report import TABLES as TABLE_NAMES

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

ROOT = PARAMS.paths.results
PAPER = "workflow/paper"

CODE = f"{ROOT}/code"
DOWNLOADS = f"{ROOT}/downloads"
DATA = f"{ROOT}/data"
EXTRACTORS = f"{ROOT}/extractors"
CHECKPOINTS = f"{ROOT}/checkpoints"
TRAINING = f"{ROOT}/training"
GANS = f"{ROOT}/gans"
SHARDS = f"{ROOT}/shards"
SAMPLES = f"{ROOT}/samples"
FEATURES = f"{ROOT}/features"
REFERENCES = f"{ROOT}/references"
METRICS = f"{ROOT}/metrics"
STUDIES = f"{ROOT}/studies"
THROUGHPUT = f"{ROOT}/throughput"
SIZES = f"{ROOT}/sizes.json"
TABLES = f"{ROOT}/tables"
FIGURES = f"{ROOT}/figures"
CLAIMS = f"{ROOT}/claims"
LOGS = f"{ROOT}/logs"
WORK = f"{ROOT}/work"


def keys(*sections):
    """The wildcard constraint that admits the keys of sections and nothing else."""
    return "|".join(key for section in sections for key in section) or "(?!)"


wildcard_constraints:
    dataset=keys(PARAMS.datasets),
    extractor=keys(PARAMS.extractors),
    model=keys(PARAMS.models),
    segment=keys(PARAMS.segments),
    gan=keys(PARAMS.gans),
    reference=keys(PARAMS.references, PARAMS.published.references),
    run=keys(PARAMS.scored),
    study=keys(PARAMS.studies),
    throughput=keys(PARAMS.throughput),
    table=keys(TABLE_NAMES),
    figure=keys(FIGURE_NAMES),


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


def section(path):
    """A section of the params file as it stands there."""
    found = config
    for key in path.split("."):
        found = found[key]
    return found


def section_of_run(wildcards):
    """The path of the section that describes a run."""
    kinds = ("runs", "upsampled_runs", "gan_runs", "published.samples")
    return next(f"{kind}.{wildcards.run}" for kind in kinds if wildcards.run in section(kind))


def scored(wildcards):
    """The section of a batch that is scored."""
    return PARAMS.scored[wildcards.run]


def resources_of(stage, processes=None):
    """What a job of a stage takes, for clusters; each time it is tried again, twice as much memory and time.

    `processes` is how many the job has, where that is not for the params file to say.
    """
    taken = getattr(PARAMS.resources, stage)
    gpus = {"gpu": processes or taken.processes} if getattr(taken, "device", "cpu") == "cuda" else {}

    def doubled(amount):
        return lambda wildcards, attempt: amount * 2 ** (attempt - 1)

    return {"mem_mb": doubled(taken.memory_mb), "runtime": doubled(taken.minutes), **gpus}


def logged(command):
    """A stage's command; what it prints goes to the log, whose end is shown on the terminal when it fails.

    Snakemake removes the log of an earlier try before it begins another. The stage's own journal beside it, of the same
    name but for its ending, keeps them all.
    """
    return f"( {command} ) > {{log}} 2>&1 || {{{{ status=$?; tail -n 20 {{log}} >&2; exit $status; }}}}"


def everything():
    """The artifact of every section of the params file, and the metrics of every run."""
    published = PARAMS.published
    keyed = {
        DATA: PARAMS.datasets,
        EXTRACTORS: PARAMS.graphs,
        CHECKPOINTS: [*PARAMS.segments, *published.checkpoints],
        GANS: PARAMS.gans,
        STUDIES: PARAMS.studies,
    }
    artifacts = [f"{folder}/{key}" for folder, section in keyed.items() for key in section]
    initial = [f"{CHECKPOINTS}/{model}-0" for model in PARAMS.models]
    references = [f"{REFERENCES}/{key}/features" for key in [*PARAMS.references, *published.references]]
    metrics = [f"{METRICS}/{run}.json" for run in PARAMS.scored]
    throughput = [f"{THROUGHPUT}/{key}.json" for key in PARAMS.throughput]
    return artifacts + initial + references + metrics + throughput


def files_of(needs):
    """The files and folders that a table, a figure or the claims need."""
    patterns = {
        "metrics": f"{METRICS}/{{}}.json",
        "samples": f"{SAMPLES}/{{}}",
        "data": f"{DATA}/{{}}",
        "training": f"{TRAINING}/{{}}.csv",
        "studies": f"{STUDIES}/{{}}",
        "throughput": f"{THROUGHPUT}/{{}}.json",
    }
    files = [patterns[kind].format(key) for kind, found in needs.items() for key in found]
    return [*files, SIZES] if needs.sizes else files


def tables(*names):
    """The files of tables."""
    return expand(f"{TABLES}/{{name}}.{{ending}}", name=names, ending=["csv", "md", "tex"])


def figures(*names):
    """The files of figures."""
    return expand(f"{FIGURES}/{{name}}.{{ending}}", name=names, ending=["png", "pdf"])


def training_of(wildcards):
    """How a segment's model is trained."""
    return PARAMS.models[PARAMS.segments[wildcards.segment].model].training


def checkpoint_of(wildcards):
    """The checkpoint that a run samples."""
    return f"{CHECKPOINTS}/{scored(wildcards).checkpoint}"


def classifier_of(wildcards):
    """The checkpoint of the classifier that guides a run."""
    return f"{CHECKPOINTS}/{scored(wildcards).classifier}"


def base_of(wildcards):
    """The samples that a stack upsamples."""
    return f"{SAMPLES}/{scored(wildcards).base}"


def extractor_of(wildcards):
    """The key of the graph that a run's, or a reference's, features come from."""
    if hasattr(wildcards, "run"):
        return scored(wildcards).extractor
    return {**PARAMS.references, **PARAMS.published.references}[wildcards.reference].extractor


def extractor_folder(wildcards):
    """That graph."""
    return f"{EXTRACTORS}/{extractor_of(wildcards)}"


def dataset_of(wildcards):
    """The dataset of a reference."""
    return f"{DATA}/{PARAMS.references[wildcards.reference].dataset}"


def kind_of(wildcards):
    """The kind of a figure: the subsection of `figures` that it stands in."""
    return PARAMS.figures.kind_of(wildcards.figure)


def table_triggers(wildcards):
    """The sections that a table reads."""
    return triggers("table", "tables.{table}", *TABLE_SECTIONS.get(wildcards.table, []))(wildcards)
