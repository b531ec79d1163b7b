"""The command line: one verb a stage. Inputs and outputs are flags; hyperparameters come from the params file alone.

A verb imports its stage when it is called, so that no verb waits for libraries that it does not use.
"""
# ruff: noqa: PLC0415

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from adm.params import UserError, load
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

ParamsFile = Annotated[Path, typer.Option("--params", help="The params file.")]
Key = Annotated[str, typer.Option(help="The artifact's key in the params file.")]
Out = Annotated[Path, typer.Option(help="What to write.")]
Input = Annotated[Path, typer.Option(help="An artifact to read.")]

T = TypeVar("T")


@app.callback()
def root(debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False) -> None:
    """Diffusion Models Beat GANs on Image Synthesis, stage by stage."""


@app.command()
def check(
    params: ParamsFile, out: Annotated[Path | None, typer.Option(help="Where to write; nowhere if not given.")] = None
) -> None:
    """Check the params file; write a digest of each stage's code."""
    load(params)
    if out is not None:
        from adm.stages import check as stage

        stage.run(out)


@app.command()
def prepare(params: ParamsFile, dataset: Key, out: Out) -> None:
    """Turn a source of images into sharded arrays."""
    section = _pick(load(params).datasets, dataset, "dataset")
    from adm.stages import prepare as stage

    stage.run(section, out)


@app.command()
def extractor(params: ParamsFile, extractor: Key, data: Input, out: Out) -> None:
    """Train a small extractor of features and freeze it into a TensorFlow graph."""
    loaded = load(params)
    section = _pick(loaded.extractors, extractor, "extractor")
    from adm.stages import extractor as stage

    stage.run(section, loaded.datasets[section.dataset], data, out)


@app.command()
def init(params: ParamsFile, model: Key, out: Out) -> None:
    """Write a model's initial checkpoint."""
    section = _pick(load(params).models, model, "model")
    from adm.stages import init as stage

    stage.run(section, out)


@app.command()
def train(params: ParamsFile, segment: Key, data: Input, previous: Input, out: Out, work: Out, log: Out) -> None:
    """Train a model from one checkpoint to the next; resumes from WORK where an earlier try stopped."""
    loaded = load(params)
    section = _pick(loaded.segments, segment, "segment")
    model = loaded.models[section.model]
    assert not isinstance(model, UniformModelParams)
    start = loaded.iteration_of(section.previous)
    from adm.stages import train as stage

    dataset = loaded.datasets[section.dataset]
    stage.run(
        section, model, dataset, loaded.progress, start, data=data, previous=previous, out=out, work=work, log=log
    )


@app.command()
def sample(
    params: ParamsFile,
    run: Key,
    checkpoint: Input,
    classifier: Input,
    out: Out,
    shard: Annotated[str | None, typer.Option(help="Only this part, i-of-n; OUT is then a file.")] = None,
) -> None:
    """Sample a run."""
    loaded = load(params)
    section = _pick(loaded.runs, run, "run")
    model = loaded.models[loaded.model_of(section.checkpoint)]
    guide = loaded.models[loaded.model_of(section.classifier)]
    assert isinstance(model, DiffusionModelParams)
    assert isinstance(guide, ClassifierModelParams | UniformModelParams)
    from adm.sampling.blocks import Shard
    from adm.stages import sample as stage

    inputs = {"checkpoint": checkpoint, "classifier": classifier}
    stage.run(section, model, guide, inputs, out, None if shard is None else Shard.parse(shard))


@app.command()
def gather(params: ParamsFile, run: Key, checkpoint: Input, classifier: Input, shards: list[Path], out: Out) -> None:
    """Join the shards of a run, given in order."""
    section = _pick(load(params).runs, run, "run")
    from adm.stages import gather as stage

    stage.run(section, {"checkpoint": checkpoint, "classifier": classifier}, shards, out)


@app.command()
def features(params: ParamsFile, extractor: Key, images: Input, graph: Input, out: Out) -> None:
    """Compute the features of a sample batch, a dataset or a reference batch."""
    section = _pick(load(params).extractors, extractor, "extractor")
    from adm.stages import features as stage

    stage.run(section, images, graph, out)


@app.command()
def reference(params: ParamsFile, reference: Key, features: Input, data: Input, out: Out) -> None:
    """Make a reference batch from a dataset and its features."""
    section = _pick(load(params).references, reference, "reference")
    from adm.stages import reference as stage

    stage.run(section, features, data, out)


@app.command()
def evaluate(
    params: ParamsFile, run: Key, features: Input, reference: Input, reference_features: Input, out: Out
) -> None:
    """Score a run."""
    section = _pick(load(params).runs, run, "run")
    from adm.stages import evaluate as stage

    stage.run(section, features, reference, reference_features, out)


@app.command()
def table(params: ParamsFile, table: Key, source: Input, out: Out) -> None:
    """Write a table as csv, Markdown and LaTeX; OUT has no ending."""
    loaded = load(params)
    _pick(loaded.tables.model_dump(), table, "table")
    from adm.stages import table as stage

    stage.run(loaded, table, source, out)


@app.command()
def figure(params: ParamsFile, figure: Key, source: Input, out: Out) -> None:
    """Draw a figure as png and pdf; OUT has no ending."""
    loaded = load(params)
    _pick(loaded.figures.model_dump(), figure, "figure")
    from adm.stages import figure as stage

    stage.run(loaded, figure, source, out)


def _pick(section: dict[str, T], key: str, option: str) -> T:
    if key not in section:
        raise UserError(f"--{option} {key!r}: is not in the params file, which has {', '.join(section)}")
    return section[key]


def main() -> None:
    """Run a verb; a user's mistake is one line on stderr and exit code 2."""
    debug = "--debug" in sys.argv[1:2]
    try:
        app(prog_name="adm")
    except (UserError, OSError) as error:
        if debug:
            raise
        # What the system refuses (a full disk, a folder that may not be written) is no fault of the code either.
        message = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else error
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
