"""The command line: `adm VERB KEY` makes an artifact of the params file; verb and key decide its paths.

A verb of the pipeline is that of a kind of job; `adm.pipeline.arguments` hands its stage what it takes. The others are
tools for single files, whole results and whole scales. A verb imports its stage or tool only when it is called, because
the libraries of others take long to import.
"""
# ruff: noqa: PLC0415

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from adm.artifacts.writing import new_file
from adm.config.samplers import SAMPLERS
from adm.errors import extras_named, some
from adm.journal import console, describe_error, journal_of
from adm.params import UserError, load, read
from adm.params.load import write
from adm.params.schema import ProcessResources
from adm.pipeline import Job, Kind, Pipeline, carrying, kinds, pipeline_of

START, LOOK, IMAGES, SCORE, SHARE, STAGES = "Start", "Look", "Make images", "Score", "Share", "Stages"
"""Purposes of verbs, in the order of the help."""

ParamsFile = Annotated[Path, typer.Option("--params", help="The params file.")]

MISUSE: type[Exception] = typer.BadParameter.__bases__[0]
"""The errors of a command's words, whose own class typer does not export."""

asked: list[int] = []
"""Numbers of the signals that asked this process to end."""


class Verbs(TyperGroup):
    """The verbs, which the help lists by what they are for."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a list for each panel; helps are wrapped, not cut."""
        for panel in (START, LOOK, IMAGES, SCORE, SHARE, STAGES):
            rows = [
                (name, verb.get_short_help_str(limit=200))
                for name, verb in self.commands.items()
                if getattr(verb, "rich_help_panel", None) == panel
            ]
            with formatter.section(panel):
                formatter.write_dl(rows)


app = typer.Typer(cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def environment(pipeline: Pipeline, job: Job, is_current: bool = True) -> SimpleNamespace:
    """Gather what a job's stage takes beside sections, inputs and outputs; no result depends on it.

    Args:
        pipeline: The graph of the job.
        job: The job.
        is_current: Whether all that the job reads is known to be up to date; else the page tells what is not.
    """
    execution = pipeline.params.execution
    given = SimpleNamespace(
        execution=execution,
        device=getattr(pipeline.resources(job), "device", "cpu"),
        every=execution.log_every,
        timeout_seconds=execution.timeout_seconds,
    )
    if job.kind.name == "resolve":
        given.written, given.triggers = write(pipeline.params), pipeline.triggers
    if job.kind.name == "report":
        from adm.pipeline.report import content_of_page
        from adm.tools.jobs import states
        from adm.tools.reproduced import compared

        by_name = {} if is_current else states(pipeline)
        told = {name: state.why or ["files are missing"] for name, state in by_name.items() if state.word != "there"}
        stale = {name: some(why, separator="; ") for name, why in told.items()}
        given.content = content_of_page(pipeline, stale, compared(pipeline.root))
    return given


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(version("adm"))
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version, and exit.")
    ] = False,
) -> None:
    """Diffusion Models Beat GANs on Image Synthesis, stage by stage."""


@app.command(rich_help_panel=STAGES)
def resolve(
    params: ParamsFile = Path("params.yaml"),
    dvc: Annotated[Path | None, typer.Option(help="A dvc.yaml that must be of this params file.")] = None,
) -> None:
    """Write out the params file, and a trigger file for each job."""
    if dvc is not None:
        from adm.dvc_file import check_stages

        check_stages(dvc, params, pipeline_of(params))
    carry_out(params, "resolve", "")


@app.command(rich_help_panel=START)
def start(
    what: Annotated[Literal["released"], typer.Argument(help="released: ImageNet 64x64, and its classifier.")],
    folder: Annotated[Path | None, typer.Argument(help="Keeps the files; as of `adm fetch` if not given.")] = None,
) -> None:
    """Fetch a released network, sample 64 images, score them, show them; goes on where an earlier try stopped."""
    from adm.artifacts.released_files import FOLDER, released_folder
    from adm.tools import start as tool

    if folder is not None and not folder.is_dir():
        raise UserError(f"{folder}: is no folder; make it, or leave it out")
    os.environ[FOLDER] = str(folder or released_folder())
    tool.run(released_folder(), carry_out)


@app.command(rich_help_panel=IMAGES)
def fetch(
    key: Annotated[
        str,
        typer.Argument(
            help="The name of a released file; or KIND/KEY of the section `published` of a params file. Without it, "
            "the released files are listed.",
        ),
    ] = "",
    params: ParamsFile = Path("params.yaml"),
    to: Annotated[
        Path | None,
        typer.Option(
            help="The folder, or the file, for a released file; else $ADM_FILES, else a folder in your cache."
        ),
    ] = None,
) -> None:
    """Download a released file by its name, or a published file of a params file."""
    # A key of a params file has a slash in it, and no released file's name has.
    if "/" not in key:
        from adm.artifacts.released_files import fetch_released, listing

        print(fetch_released(key, to) if key else "\n".join(listing(to)))
        return
    if to is not None:
        raise UserError(f"--to '{to}': is for released files; what a params file names goes to its results")
    carry_out(params, "fetch", key)


def _command(verb: str, kinds: list[Kind]) -> Callable[..., None]:
    """Return the function of a verb: a key, or whatever its kinds of jobs have."""
    if kinds[0].flag:

        def page(
            a: Annotated[str | None, typer.Argument(help="A results folder, to be set beside B.")] = None,
            b: Annotated[str | None, typer.Argument(help="Another one; the params file's if not given.")] = None,
            params: ParamsFile = Path("params.yaml"),
            up_to_date: Annotated[
                bool, typer.Option(kinds[0].flag, help="Take what there is for up to date, as engines may.")
            ] = False,
            out: Annotated[Path, typer.Option(help="The page of A beside B.")] = Path("beside.html"),
        ) -> None:
            if a is None:
                carry_out(params, verb, "", is_current=up_to_date)
                return
            from adm.tools import compare as tool

            _require_ending(out, ".html")
            tool.page(a, b, params, out)

        return page
    if not kinds[0].wildcards:

        def single(params: ParamsFile = Path("params.yaml")) -> None:
            carry_out(params, verb, "")

        return single

    def keyed(
        key: Annotated[str, typer.Argument(help="Its key in that file.")], params: ParamsFile = Path("params.yaml")
    ) -> None:
        carry_out(params, verb, key)

    return keyed


for _verb in dict.fromkeys(kind.verb for kind in kinds().values() if kind.name not in ("resolve", "fetch")):
    _kinds = [kind for kind in kinds().values() if kind.verb == _verb]
    app.command(_verb.replace("_", "-"), help=_kinds[0].help, rich_help_panel=STAGES)(_command(_verb, _kinds))


@app.command(rich_help_panel=SCORE)
def score(
    samples: Annotated[Path, typer.Argument(help="An npz with arr_0, uint8 (N, H, W, 3), images, or a network.")],
    reference: Annotated[Path, typer.Argument(help="A reference batch, a name that `adm fetch` lists, or images.")],
    graph: Annotated[
        Path, typer.Option(help="The Inception graph of 2015, a file or a name that `adm fetch` lists.")
    ] = Path("inception"),
    out: Annotated[Path | None, typer.Option(help="A json file to write.")] = None,
    num_samples: Annotated[int | None, typer.Option(min=1, help="How many; all, or of a network 2,000.")] = None,
    intervals: Annotated[bool, typer.Option("--intervals", help="95 % intervals, and standard errors.")] = False,
    further: Annotated[bool, typer.Option("--further", help="KID, density, coverage and FID-infinity too.")] = False,
    cache: Annotated[Path | None, typer.Option(help="A folder that keeps features for later calls.")] = None,
    executor: Annotated[Literal["torch", "tensorflow"], typer.Option(help="What runs the graph.")] = "torch",
    device: Annotated[str, typer.Option(help="Where torch runs it: cpu, cuda or cuda:1; auto: a GPU if any.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 64,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="All cores if not given.")] = None,
    background: Annotated[str, typer.Option(help="The colour that transparent images are laid on.")] = "white",
    size: Annotated[int | None, typer.Option(min=1, help="Crop and scale images of folders, as for training.")] = None,
    as_: Annotated[
        Literal["evaluator", "torch-fidelity", "pytorch-fid", "clean-fid"],
        typer.Option("--as", help="The tool whose FID it is; the paper's is evaluator."),
    ] = "evaluator",
    expect: Annotated[float | None, typer.Option(min=0, help="An FID that was reported: is it this one?")] = None,
) -> None:
    """Score samples against a reference, as the paper scores, or as another tool computes FID."""
    from adm import evaluation
    from adm.api import checked
    from adm.config.data import GraphParams
    from adm.machine import available_cores
    from adm.tools import score as tool

    _require_ending(out, ".json")
    asked = {"num_samples": num_samples, "intervals": intervals, "further": further, "cache": cache, "device": device}
    prepared = {"background": background, "size": size, "protocol": as_, "expect": expect}
    options = checked(evaluation.Options, asked | prepared)
    how = GraphParams(executor=executor, feature_batch=batch, threads=threads or available_cores())
    tool.run(samples, reference, graph, how, options, out)


@app.command(rich_help_panel=IMAGES)
def generate(
    checkpoint: Annotated[
        str,
        typer.Argument(
            help="A released .pt or its name (`adm fetch` lists them), a .safetensors of `adm export`, the folder of "
            "a checkpoint; or a generate.json, whose call is repeated."
        ),
    ],
    class_: Annotated[list[str] | None, typer.Option("--class", help="A name or a number; classes take turns.")] = None,
    classes: Annotated[str | None, typer.Option(help="Numbers, as 0-9 or 1,207,985.")] = None,
    num: Annotated[int | None, typer.Option("--num", "-n", help="Images; by default 16, or whole turns.")] = None,
    classifier: Annotated[str | None, typer.Option(help="Guides the samples; given as CHECKPOINT.")] = None,
    scale: Annotated[float | None, typer.Option(help="The gradient scale; docs/generate.md tells the default.")] = None,
    steps: Annotated[str | None, typer.Option(help="As 25, ddim25; the file's or 250 if not given.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Few steps of the soonest sampler (docs/speed.md).")] = False,
    sampler: Annotated[str | None, typer.Option(help=f"{', '.join(SAMPLERS)}; by steps if not given.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed + i makes image i; 0 if not given.")] = None,
    upsampler: Annotated[str | None, typer.Option(help="Upsamples the samples; given as CHECKPOINT.")] = None,
    init_image: Annotated[str | None, typer.Option(help="An image, or a folder of them, to change.")] = None,
    strength: Annotated[float | None, typer.Option(help="How much of it is changed, in (0, 1]; 1 is all.")] = None,
    mask: Annotated[str | None, typer.Option(help="An image: what is white is drawn anew, the rest stays.")] = None,
    device: Annotated[str | None, typer.Option(help="auto (a GPU if any), cpu, cuda, cuda:1 or mps.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, tf32, bfloat16 or float16.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images at a time; the last bits depend on it.")] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="All cores if not given; the last bits depend on it.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The network, if the file's shapes and name mislead.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A further field of a run, as eta=0.5.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("generated"),
) -> None:
    """Generate images from a checkpoint: PNGs, a grid and an npz."""
    from adm.tools import generate as tool

    values = locals()
    given = {name: values[name] for name in tool.Call.model_fields if name in values and name != "checkpoint"}
    given["classes"] = [*(class_ or []), *(tool.classes_of(classes) if classes is not None else [])] or None
    given["fields"] = tool.fields_of(set_) if set_ else None
    if fast:
        if steps is not None:
            raise UserError(f"--fast: chooses the steps; leave it or --steps {steps} out")
        given["steps"] = "fast"
    call = tool.call_of(checkpoint, {name: value for name, value in given.items() if value is not None})
    try:
        tool.run(call, out)
        print(out)
    except KeyboardInterrupt as error:
        count = len(list((out / tool.FINAL).glob("*.png")))
        print(f"interrupted: images in {out}: {count}; the same call goes on from them", file=sys.stderr)
        raise typer.Exit(130) from error


@app.command(rich_help_panel=SHARE)
def export(
    source: Annotated[Path, typer.Argument(help="The folder of a checkpoint, a .safetensors, or a .pt.")],
    out: Annotated[
        Path | None,
        typer.Argument(
            help="A .safetensors, which tells all that is known of the network; or a .pt in the released format. "
            "Without it, what SOURCE holds is told."
        ),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="The network; not needed where SOURCE tells.")] = None,
    dtype: Annotated[Literal["float32", "float16"], typer.Option(help="Of weights.")] = "float32",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="How it is best sampled: steps, sampler, scale, classifier..."),
    ] = None,
    format_: Annotated[
        Literal["diffusers"] | None,
        typer.Option("--format", help="OUT is a folder that diffusers loads as UNet2DModel and DDPMScheduler."),
    ] = None,
) -> None:
    """Write a model as one file, or tell what a file holds."""
    from adm.artifacts.released_files import placed
    from adm.nets.diffusers_export import export_diffusers
    from adm.nets.opening import open_network
    from adm.tools import export as tool
    from adm.tools import generate

    if set_ and (out is None or format_):
        raise UserError("--set: goes with an OUT that ends in .safetensors")
    source = placed(source)
    if out is None:
        print(tool.identify(source))
    elif format_ is None:
        tool.run(source, out, preset, dtype, generate.fields_of(set_) if set_ else None)
    else:
        opened = open_network(source, preset)
        if out.exists() and not (out.is_dir() and not any(out.iterdir())):
            raise UserError(f"{out}: is there already; give a new folder, or an empty one")
        export_diffusers(out, opened.network.state_dict(), opened.model)


@app.command(rich_help_panel=LOOK)
def verify(
    results: Annotated[
        Path | None, typer.Argument(help="A results folder; that of the params file if not given.")
    ] = None,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Find artifacts that are damaged, or of other parents or params. Exit code 1 if there are any."""
    from adm.tools import jobs as tool

    if not tool.verify(results, params):
        raise typer.Exit(1)


@app.command(rich_help_panel=SHARE)
def accept(
    verb: Annotated[
        str | None,
        typer.Argument(help="A verb, such as train, whose code changed and computes the same; all verbs if not given."),
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why it computes the same; kept in adm/accepted.json.")],
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Declare that changed code computes the same: nothing runs again."""
    from adm.tools import jobs as tool

    if not reason.strip():
        raise UserError("--reason: is empty; say why today's code computes the same")
    tool.accept(pipeline_of(params), verb, reason)


@app.command(rich_help_panel=LOOK)
def jobs(
    verb: Annotated[str | None, typer.Argument(help="Only the jobs of this verb.")] = None,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """List the jobs of a params file: there, missing, or stale and why."""
    from adm.tools import jobs as tool

    tool.run(load(params), verb)


@app.command(rich_help_panel=LOOK)
def compare(
    a: Annotated[str, typer.Argument(help="A results folder, published or not.")],
    b: Annotated[str | None, typer.Argument(help="Another one; the results of the params file if not given.")] = None,
    rtol: Annotated[float, typer.Option(min=0.0, help="Of floats: a share of B's number.")] = 1.0e-5,
    atol: Annotated[float, typer.Option(min=0.0, help="Of all numbers, whole ones too.")] = 1.0e-8,
    out: Annotated[Path | None, typer.Option(help="A json file to write.")] = None,
    params: ParamsFile = Path("params.yaml"),
) -> None:
    """Compare two results: files, params, scores, verdicts. Exit code 1 if they differ."""
    from adm.artifacts.comparison import Tolerance
    from adm.tools import compare as tool

    _require_ending(out, ".json")
    if not tool.run(a, b, params, Tolerance(rtol, atol), out):
        raise typer.Exit(1)


def _require_ending(out: Path | None, ending: str) -> None:
    """Refuse to write a file of another kind than its name says, which may be one of the user's."""
    if out is not None and out.suffix != ending:
        raise UserError(f"--out {out}: ends in no {ending}, as what is written does")


@app.command(rich_help_panel=SHARE)
def publish(
    folder: Annotated[
        Path | None,
        typer.Argument(help="A folder for a model hub, with a network. Without it, the scale's results are published."),
    ] = None,
    params: ParamsFile = Path("params.yaml"),
    again: Annotated[
        bool, typer.Option("--again", help="Make what is published anew, from the scores that are published.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; fail if a table or claim does not follow from the scores, or if FOLDER's images are "
            "not remade.",
        ),
    ] = False,
    network: Annotated[
        str | None, typer.Option(help="What FOLDER is to hold: a name, a file, or the folder of a checkpoint.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Its scores: a json of `adm score --out`, or results/NAME/metrics/RUN.json.")
    ] = None,
    license_: Annotated[
        str | None, typer.Option("--license", help="Of its weights, as the hub calls it: mit, cc-by-4.0 and so on.")
    ] = None,
) -> None:
    """Write what a scale shows, and its scores, to a folder for git; or a network to one for a model hub."""
    if again and (folder or check):
        raise UserError("--again: makes a scale's tables anew; it goes with no FOLDER and no --check")
    if folder is not None:
        from adm.tools import hub

        if not (network or check):
            raise UserError(f"{folder}: what is to be done? --network NAME writes it, --check remakes its images")
        if not network and (scores or license_):
            raise UserError(f"--{'scores' if scores else 'license'}: goes with --network NAME")
        if network:
            hub.write(folder, network, scores, license_)
        if check and not hub.remakes(folder):
            raise typer.Exit(1)
        return
    from adm.tools import publish as tool

    if given := [name for name, value in {"network": network, "scores": scores, "license": license_}.items() if value]:
        raise UserError(f"--{given[0]}: goes with FOLDER, as in: adm publish FOLDER --network NAME")
    pipeline = pipeline_of(params)
    if not check:
        print(tool.again(pipeline) if again else tool.run(pipeline))
        return
    wrong, words = tool.check(pipeline, tool.published(pipeline.root))
    print(*wrong, words, sep="\n")
    if wrong:
        raise typer.Exit(1)


@app.command(rich_help_panel=START)
def plan(params: ParamsFile = Path("params.yaml")) -> None:
    """Print what a params file costs: operations, and days of devices."""
    from adm.planning import costs

    print(*costs.plan(load(params)), sep="\n")


@app.command(rich_help_panel=START)
def new(
    name: Annotated[str, typer.Argument(help="Of the scale: scales/NAME/params.yaml is written.")],
    images: Annotated[Path, typer.Option(help="A folder with one folder of images a class.")],
    size: Annotated[int | None, typer.Option(help="The side of images in pixels; that of --from if not given.")] = None,
    channels: Annotated[int, typer.Option(help="3, or 1 to turn images grey.")] = 3,
    unlabelled: Annotated[bool, typer.Option("--unlabelled", help="Clusters may stand in for classes.")] = False,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="What trains and samples.")] = "cpu",
    hours: Annotated[float, typer.Option(help="That all of it may take on this machine.")] = 1.0,
    background: Annotated[str, typer.Option(help="The colour that transparent images are laid on.")] = "white",
    from_: Annotated[str | None, typer.Option("--from", help="What to fine-tune, as `adm generate` takes it.")] = None,
    keep_classes: Annotated[bool, typer.Option("--keep-classes", help="Begin with its classes, the same.")] = False,
) -> None:
    """Write a params file for images of your own, from one look at them."""
    from adm.tools import new as tool

    tool.run(name, images, size, channels, not unlabelled, device, hours, background, from_, keep_classes)


@app.command(rich_help_panel=START)
def check(
    file: Annotated[Path | None, typer.Argument(help="The params file, too.")] = None,
    params: ParamsFile = Path("params.yaml"),
    dvc: Annotated[bool, typer.Option("--dvc", help="Fail if the dvc.yaml beside it is not of this file.")] = False,
) -> None:
    """Check a params file, and tell which claims it does not test."""
    from adm.dvc_file import NAME, check_stages
    from adm.params.claims import not_tested

    if file and params != Path("params.yaml"):
        raise UserError(f"{file} and --params {params}: give one of them")
    params = file or params
    pipeline, stages = pipeline_of(params), params.with_name(NAME)
    if dvc:
        check_stages(stages, params, pipeline)
    count, untested = len(pipeline.params.claims), not_tested(pipeline.params.claims)
    print(f"{params}: {len(pipeline.jobs)} jobs; {count - len(untested)} of {count} claims are tested")
    for key, reason in untested.items():
        print(f"  not tested: {key}: {reason}")
    if not dvc and stages.exists():
        try:
            check_stages(stages, params, pipeline)
        except UserError as error:
            print(f"  for DVC: {error}")


@app.command(rich_help_panel=START)
def dvc(params: ParamsFile = Path("params.yaml")) -> None:
    """Write the dvc.yaml of a params file beside it: the stages for DVC."""
    from adm.dvc_file import GENERATED, NAME, render

    text, stages = render(params, read(params).files, pipeline_of(params)), params.with_name(NAME)
    if stages.is_file() and not stages.read_text(encoding="utf-8").startswith(GENERATED):
        raise UserError(f"{stages}: is not one that was generated; move it away, or merge the two by hand")
    with new_file(stages) as path:
        path.write_text(text, encoding="utf-8")


@app.command(rich_help_panel=START)
def schema(
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("params.schema.json"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the file is not as it would be.")
    ] = False,
) -> None:
    """Write the JSON schema of params files, for editors."""
    from adm.config.base import INTRODUCED
    from adm.params.json_schema import introduced, render

    _require_ending(out, ".json")
    for file, text in ((out, render()), (INTRODUCED, introduced())):
        if not check:
            with new_file(file) as path:
                path.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            raise UserError(f"{file}: is not that of this code; type: adm schema")


def _end(number: int, _: object) -> None:
    """End the process as an error would, so that unfinished files are removed."""
    asked.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


@contextmanager
def _ended_as_asked() -> Iterator[None]:
    """End as a signal asked, whatever a library made of the interruption: safetensors calls its file unreadable."""
    try:
        yield
    except Exception:
        if asked:
            sys.exit(128 + asked[0])
        raise


def carry_out(file: Path, verb: str, key: str, is_current: bool = True) -> None:
    """Execute the job of a verb and a key, in as many processes as the params file says.

    Raises:
        UserError: There is no such job, or its stage fails.
    """
    pipeline = pipeline_of(file)
    job = pipeline.find(verb, key)
    taken = pipeline.resources(job)
    may_launch = job.kind.in_several and "WORLD_SIZE" not in os.environ
    with journal_of(job), _ended_as_asked(), extras_named():
        if may_launch and isinstance(taken, ProcessResources) and taken.world_size > 1:
            from adm.launcher import launch

            launch(taken.processes, taken.nodes, f"resources.{job.kind.resources}.nodes")
        else:
            carrying.carry_out(pipeline, job, environment(pipeline, job, is_current))


COMMAND = typer.main.get_command(app)
"""All verbs; to make it of them takes longer than a fork takes to start."""


def _told(error: Any) -> str:
    """Say in a line what is wrong with a command, and where to look; of a command that says nothing, its help."""
    said, verb = error.format_message(), error.ctx.command_path if error.ctx else "adm"
    if said.startswith("Usage"):
        return str(said)
    return f"error: {verb}: {' '.join(said.split()).removesuffix('.')}; `{verb} --help` tells more"


def main() -> None:
    """Run a verb; a UserError becomes one line on stderr and exit code 2."""
    debug = "--debug" in sys.argv[1:2]
    asked.clear()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)  # of schedulers
        if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(signal.SIGINT, _end)
        # Slurm's warning that the time is nearly over; training alone has something to save.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with console(), _ended_as_asked(), extras_named():
            sys.exit(COMMAND(prog_name="adm", standalone_mode=False) or 0)
    except MISUSE as error:
        print(_told(error), file=sys.stderr)
        sys.exit(2)
    except (UserError, OSError) as error:
        if debug:
            raise
        message = describe_error(error)
        # Of several processes the launcher prints the message; that module imports torch.
        if not ("WORLD_SIZE" in os.environ and import_module("adm.parallel").report_failure(message)):
            print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
