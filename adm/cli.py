"""The command line: one verb a stage. Inputs and outputs are flags; hyperparameters come from the params file alone.

A verb imports its stage when it is called, so that no verb waits for libraries that it does not use. The verbs that are
no stages are in `adm.cli_tools`.
"""
# ruff: noqa: PLC0415

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from adm.cli_tools import tools
from adm.journal import console, journal, told
from adm.params import UserError, load
from adm.params.data import ReferenceParams
from adm.params.keys import accepted
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams, UpsamplerModelParams
from adm.params.needs import needs_of_claims, needs_of_figure, needs_of_table
from adm.params.published import PublishedReferenceParams
from adm.params.resources import ProcessResources
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.sources import Needs
from adm.sampling.blocks import Shard

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

ParamsFile = Annotated[Path, typer.Option("--params", help="The params file.")]
Key = Annotated[str, typer.Option(help="The artifact's key in the params file.")]
Out = Annotated[Path, typer.Option(help="What to write.")]
Input = Annotated[Path, typer.Option(help="An artifact to read.")]
MaybeInput = Annotated[Path | None, typer.Option(help="An artifact to read, where this one needs it.")]
PublishedKind = Literal["checkpoints", "samples", "references", "graphs"]
Kind = Annotated[PublishedKind, typer.Option(help="The subsection of `published`.")]

UNGUIDED = UniformModelParams(kind="uniform")
"""What guides an upsampler."""

T = TypeVar("T")


@app.callback()
def root(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Diffusion Models Beat GANs on Image Synthesis, stage by stage."""


@app.command()
def check(
    params: ParamsFile, out: Annotated[Path | None, typer.Option(help="Where to write; nowhere if not given.")] = None
) -> None:
    """Check the params file; write a digest of each stage's code."""
    loaded = load(params)
    if out is not None:
        with journal(params, loaded, "check"):
            from adm.stages import check as stage

            stage.run(out)


@app.command()
def fetch(
    name: Annotated[str | None, typer.Argument(help="A well-known file, instead of one of the params file.")] = None,
    params: Annotated[Path | None, typer.Option(help="The params file.")] = None,
    kind: Annotated[PublishedKind | None, typer.Option(help="The subsection of `published`.")] = None,
    key: Annotated[str | None, typer.Option(help="The file's key there.")] = None,
    out: Annotated[Path | None, typer.Option(help="What to write.")] = None,
) -> None:
    """Download a published file, with its size and checksum checked: `adm fetch inception`, or one of a params file."""
    if name is not None:
        if params or kind or key:
            raise UserError(f"{name!r}: needs no --params, --kind or --key, which name a file of the params file")
        from adm.stages import fetch as stage

        stage.run_known(name, out)
        return
    if params is None or kind is None or key is None or out is None:
        raise UserError("fetch: needs a name, such as 'inception', or --params, --kind, --key and --out")
    loaded = load(params)
    section = _pick(getattr(loaded.published, kind), key, "key")
    with journal(params, loaded, "fetch", f"{kind}/{key}", published=section):
        from adm.stages import fetch as stage

        stage.run(section, out)


@app.command()
def adopt(params: ParamsFile, kind: Kind, key: Key, source: Input, out: Out) -> None:
    """Turn a published file into the artifact that it stands for."""
    loaded = load(params)
    section = _pick(getattr(loaded.published, kind), key, "key")
    model = loaded.models[section.model] if kind == "checkpoints" else None
    with journal(params, loaded, "adopt", f"{kind}/{key}", published=section):
        from adm.stages import adopt as stage

        stage.run(section, model, source, out)


@app.command()
def prepare(params: ParamsFile, dataset: Key, out: Out) -> None:
    """Turn a source of images into sharded arrays."""
    loaded = load(params)
    section = _pick(loaded.datasets, dataset, "dataset")
    with journal(params, loaded, "prepare", dataset, dataset=section):
        from adm.stages import prepare as stage

        stage.run(section, out)


@app.command()
def extractor(params: ParamsFile, extractor: Key, data: Input, out: Out) -> None:
    """Train a small extractor of features and freeze it into a TensorFlow graph."""
    loaded = load(params)
    section = _pick(loaded.extractors, extractor, "extractor")
    dataset = loaded.datasets[section.dataset]
    with journal(params, loaded, "extractor", extractor, extractor=section, dataset=dataset) as kept:
        from adm.stages import extractor as stage

        stage.run(section, dataset, data, out, kept.curves, loaded.execution.log_every)


@app.command()
def init(params: ParamsFile, model: Key, out: Out) -> None:
    """Write a model's initial checkpoint."""
    loaded = load(params)
    section = _pick(loaded.models, model, "model")
    with journal(params, loaded, "init", model, model=section):
        from adm.stages import init as stage

        stage.run(section, out)


@app.command()
def train(params: ParamsFile, segment: Key, data: Input, previous: Input, out: Out, work: Out, log: Out) -> None:
    """Train a model from one checkpoint to the next; resumes from WORK where an earlier try stopped."""
    loaded = load(params)
    section = _pick(loaded.segments, segment, "segment")
    model = loaded.models[section.model]
    assert not isinstance(model, UniformModelParams)
    execution, start = loaded.execution, loaded.iteration_of(section.previous)
    taken, dataset = loaded.resources.train, loaded.datasets[section.dataset]
    sections = {"segment": section, "model": model, "dataset": dataset, "execution": execution, "resources": taken}
    with journal(params, loaded, "train", segment, **sections) as kept:
        from adm.stages import train as stage

        if not _launched(taken):
            paths = {"data": data, "previous": previous, "out": out, "work": work, "log": log, "curves": kept.curves}
            stage.run(section, model, dataset, execution, taken.device, start, **paths)


@app.command()
def train_gan(params: ParamsFile, gan: Key, data: Input, out: Out) -> None:
    """Train a small class-conditional GAN."""
    loaded = load(params)
    section = _pick(loaded.gans, gan, "gan")
    dataset = loaded.datasets[section.dataset]
    with journal(params, loaded, "train_gan", gan, gan=section, dataset=dataset) as kept:
        from adm.stages import train_gan as stage

        stage.run(section, dataset, data, out, kept.curves, loaded.execution.log_every)


@app.command()
def sample(
    params: ParamsFile,
    run: Key,
    checkpoint: Input,
    out: Out,
    classifier: MaybeInput = None,
    base: MaybeInput = None,
    shard: Annotated[str | None, typer.Option(help="Only this part, i-of-n; OUT is then a file.")] = None,
) -> None:
    """Sample a run, guided by CLASSIFIER or upsampling the samples BASE."""
    loaded = load(params)
    sampled: dict[str, RunParams | UpsampledRunParams] = {**loaded.runs, **loaded.upsampled_runs}
    section = _pick(sampled, run, "run")
    model = loaded.models[loaded.model_of(section.checkpoint)]
    guide = loaded.models[loaded.model_of(section.classifier)] if isinstance(section, RunParams) else UNGUIDED
    assert isinstance(model, DiffusionModelParams | UpsamplerModelParams)
    assert isinstance(guide, ClassifierModelParams | UniformModelParams)
    part, taken = None if shard is None else Shard.parse(shard), loaded.resources.sample
    key = run if part is None else f"{run}/{shard}"
    with journal(params, loaded, "sample", key, run=section, model=model, guide=guide, resources=taken):
        from adm.stages import sample as stage

        inputs = _inputs(run, section, checkpoint, classifier, base)
        if not _launched(taken):
            stage.run(section, model, guide, inputs, out, part, taken.device, loaded.execution.timeout_seconds)


@app.command()
def gather(
    params: ParamsFile,
    run: Key,
    checkpoint: Input,
    shards: list[Path],
    out: Out,
    classifier: MaybeInput = None,
    base: MaybeInput = None,
) -> None:
    """Join the shards of a run, given in order."""
    loaded = load(params)
    sampled: dict[str, RunParams | UpsampledRunParams] = {**loaded.runs, **loaded.upsampled_runs}
    section = _pick(sampled, run, "run")
    with journal(params, loaded, "gather", run, run=section):
        from adm.stages import gather as stage

        stage.run(section, _inputs(run, section, checkpoint, classifier, base), shards, out)


@app.command()
def sample_gan(params: ParamsFile, run: Key, gan: Input, out: Out) -> None:
    """Sample a GAN under truncation."""
    loaded = load(params)
    section = _pick(loaded.gan_runs, run, "run")
    model = loaded.gans[section.gan]
    with journal(params, loaded, "sample_gan", run, run=section, gan=model):
        from adm.stages import sample_gan as stage

        stage.run(section, model, loaded.datasets[model.dataset], {"gan": gan}, out)


@app.command()
def features(params: ParamsFile, extractor: Key, images: Input, graph: Input, out: Out) -> None:
    """Compute the features of a sample batch, a dataset or a reference batch."""
    loaded = load(params)
    section, taken = _pick(loaded.graphs, extractor, "extractor"), loaded.resources.features
    # No key tells whose features they are, but their place among the results does: run, or reference/features.
    place, results = Path(os.path.normpath(out)), Path(loaded.paths.results)
    key = Path(*place.parts[len(results.parts) + 1 :]) if place.is_relative_to(results) else place.name
    with journal(params, loaded, "features", str(key), extractor=section, resources=taken):
        from adm.stages import features as stage

        if not _launched(taken):
            stage.run(section, images, graph, out, taken.device, loaded.execution.timeout_seconds)


@app.command()
def reference(params: ParamsFile, reference: Key, features: Input, data: Input, out: Out) -> None:
    """Make a reference batch from a dataset and its features."""
    loaded = load(params)
    section = _pick(loaded.references, reference, "reference")
    with journal(params, loaded, "reference", reference, reference=section):
        from adm.stages import reference as stage

        stage.run(section, features, data, out)


@app.command()
def evaluate(
    params: ParamsFile,
    run: Key,
    samples: Input,
    features: Input,
    reference: Input,
    reference_features: Input,
    out: Out,
) -> None:
    """Score a batch of samples."""
    loaded = load(params)
    section = _pick(loaded.scored, run, "run")
    references: dict[str, ReferenceParams | PublishedReferenceParams] = {
        **loaded.references,
        **loaded.published.references,
    }
    against = references[section.reference]
    inputs = {
        "samples": samples,
        "features": features,
        "reference": reference,
        "reference_features": reference_features,
    }
    with journal(params, loaded, "evaluate", run, run=section, reference=against):
        from adm.stages import evaluate as stage

        stage.run(section, against, inputs, out)


@app.command()
def interpolate(params: ParamsFile, study: Key, checkpoint: Input, classifier: Input, data: Input, out: Out) -> None:
    """Encode real images by DDIM reversed, interpolate between them, and measure how well they come back."""
    loaded = load(params)
    section = _pick(loaded.interpolations, study, "study")
    model = loaded.models[loaded.model_of(section.checkpoint)]
    guide = loaded.models[loaded.model_of(section.classifier)]
    assert isinstance(model, DiffusionModelParams)
    assert isinstance(guide, ClassifierModelParams | UniformModelParams)
    with journal(params, loaded, "interpolate", study, study=section, model=model, guide=guide):
        from adm.stages import interpolate as stage

        inputs = {"checkpoint": checkpoint, "classifier": classifier, "data": data}
        stage.run(section, model, guide, inputs, out, loaded.resources.sample.device)


@app.command()
def neighbours(
    params: ParamsFile, study: Key, samples: Input, features: Input, data: Input, dataset_features: Input, out: Out
) -> None:
    """Find the nearest images of a dataset to each sample of a run."""
    loaded = load(params)
    section = _pick(loaded.neighbours, study, "study")
    with journal(params, loaded, "neighbours", study, study=section):
        from adm.stages import neighbours as stage

        inputs = {"samples": samples, "features": features, "data": data, "dataset_features": dataset_features}
        stage.run(section, inputs, out)


@app.command()
def vary(params: ParamsFile, study: Key, checkpoint: Input, classifier: Input, out: Out) -> None:
    """Sample the same seeds under growing gradient scales."""
    loaded = load(params)
    section = _pick(loaded.variations, study, "study")
    run = loaded.runs[section.run]
    model = loaded.models[loaded.model_of(run.checkpoint)]
    guide = loaded.models[loaded.model_of(run.classifier)]
    assert isinstance(model, DiffusionModelParams)
    assert isinstance(guide, ClassifierModelParams | UniformModelParams)
    with journal(params, loaded, "vary", study, study=section, run=run, model=model, guide=guide):
        from adm.stages import vary as stage

        inputs = {"checkpoint": checkpoint, "classifier": classifier}
        stage.run(section, run, model, guide, inputs, out, loaded.resources.sample.device)


@app.command()
def likelihood(params: ParamsFile, study: Key, checkpoint: Input, data: Input, out: Out) -> None:
    """Measure the bits per dimension of images of a dataset, term by term."""
    loaded = load(params)
    section = _pick(loaded.likelihoods, study, "study")
    model = loaded.models[loaded.model_of(section.checkpoint)]
    assert isinstance(model, DiffusionModelParams)
    with journal(params, loaded, "likelihood", study, study=section, model=model):
        from adm.stages import likelihood as stage

        stage.run(section, model, {"checkpoint": checkpoint, "data": data}, out, loaded.resources.sample.device)


@app.command()
def sizes(params: ParamsFile, out: Out) -> None:
    """Count the parameters and the FLOPs of every model."""
    loaded = load(params)
    with journal(params, loaded, "sizes", models=loaded.models):
        from adm.stages import sizes as stage

        stage.run(loaded.models, out)


@app.command()
def throughput(params: ParamsFile, key: Key, out: Out) -> None:
    """Measure how fast this machine trains a model, naively and as we do."""
    loaded = load(params)
    section = _pick(loaded.throughput, key, "key")
    model = loaded.models[section.model]
    assert not isinstance(model, UniformModelParams)
    with journal(params, loaded, "throughput", key, throughput=section, model=model):
        from adm.stages import throughput as stage

        stage.run(section, model, out)


@app.command()
def table(
    params: ParamsFile,
    table: Key,
    out: Out,
    metrics: MaybeInput = None,
    sizes: MaybeInput = None,
    throughput: MaybeInput = None,
) -> None:
    """Write a table as csv, Markdown and LaTeX; OUT has no ending."""
    loaded = load(params)
    section = _pick(loaded.tables, table, "table")
    with journal(params, loaded, "table", table, table=section):
        from adm.stages import table as stage

        inputs = _needed(needs_of_table(loaded, table), metrics=metrics, sizes=sizes, throughput=throughput)
        stage.run(loaded, table, inputs, out)


@app.command()
def figure(
    params: ParamsFile,
    figure: Key,
    out: Out,
    metrics: MaybeInput = None,
    samples: MaybeInput = None,
    data: MaybeInput = None,
    training: MaybeInput = None,
    studies: MaybeInput = None,
) -> None:
    """Draw a figure as png and pdf; OUT has no ending."""
    loaded = load(params)
    section = _pick(loaded.figures, figure, "figure")
    with journal(params, loaded, "figure", figure, figure=section):
        from adm.stages import figure as stage

        folders = {"metrics": metrics, "samples": samples, "data": data, "training": training, "studies": studies}
        stage.run(loaded, figure, _needed(needs_of_figure(loaded, figure), **folders), out)


@app.command()
def claims(params: ParamsFile, metrics: Input, studies: Input, throughput: Input, sizes: Input, out: Out) -> None:
    """Test what the paper claims against what was measured; OUT has no ending."""
    loaded = load(params)
    with journal(params, loaded, "claims", claims=loaded.claims):
        from adm.stages import claims as stage

        folders = {"metrics": metrics, "studies": studies, "throughput": throughput, "sizes": sizes}
        stage.run(loaded, _needed(needs_of_claims(loaded), **folders), out)


def _needed(needs: Needs, **folders: Path | None) -> dict[str, dict[str, Path]]:
    endings = {"metrics": ".json", "throughput": ".json", "training": ".csv"}
    found: dict[str, dict[str, Path]] = {}
    for kind, keys in needs.items():
        folder = folders.get(kind)
        if keys and folder is None:
            raise UserError(f"--{kind}: is missing; it is needed")
        found[kind] = {
            key: folder / f"{key}{endings.get(kind, '')}" if key else folder for key in keys if folder is not None
        }
    return found


# Behind the stages in the list of verbs.
app.registered_commands += tools.registered_commands


def _launched(taken: ProcessResources) -> bool:
    """Run this command in as many processes as the params file says; False where this is one of them, or alone."""
    if taken.processes == 1:
        return False
    from adm.parallel import launch

    return launch(taken.processes)


def _inputs(
    key: str, run: RunParams | UpsampledRunParams, checkpoint: Path, classifier: Path | None, base: Path | None
) -> dict[str, Path]:
    given = {"classifier": classifier, "base": base}
    needed, other = ("classifier", "base") if isinstance(run, RunParams) else ("base", "classifier")
    path = given[needed]
    if path is None:
        raise UserError(f"--{needed}: is missing; run {key!r} needs it")
    if given[other] is not None:
        raise UserError(f"--{other} '{given[other]}': is not used by run {key!r}, which needs --{needed} alone")
    return {"checkpoint": checkpoint, needed: path}


def _pick(section: dict[str, T], key: str, option: str) -> T:
    if key not in section:
        raise UserError(f"--{option} {key!r}: is not in the params file; {accepted(section, key)}")
    return section[key]


def main() -> None:
    """Run a verb; a user's mistake is one line on stderr and exit code 2."""
    debug = "--debug" in sys.argv[1:2]
    if threading.current_thread() is threading.main_thread():
        # What schedulers send: unfinished files are cleaned up on the way out, as at any error.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with console():
            app(prog_name="adm")
    except (UserError, OSError) as error:
        if debug:
            raise
        message = told(error)
        if not _reported(message):
            print(f"error: {message}", file=sys.stderr)
        sys.exit(2)


def _reported(message: str) -> bool:
    """Whether this is one of several processes, and what started them will say it."""
    if "WORLD_SIZE" not in os.environ:
        return False
    from adm.parallel import report

    return report(message)
