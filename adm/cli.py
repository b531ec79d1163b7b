"""The command line: `adm VERB KEY` makes an artifact of the params file; verb and key decide its paths.

A verb of the pipeline is that of a kind of job; `adm.pipeline.arguments` hands its stage what it takes. It imports its
stage only when it is called, because other stages' libraries take long to import. Verbs that are not stages are in
`adm.cli_tools`.
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

from adm.cli_tools import IMAGES, LOOK, SCORE, SHARE, STAGES, START, ParamsFile, tools
from adm.errors import extras_named, some
from adm.journal import console, describe_error, journal_of
from adm.params import UserError, load
from adm.params.execution import ProcessResources
from adm.params.load import write
from adm.pipeline import Job, Kind, Pipeline, carrying, kinds
from adm.sampling.blocks import Shard

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


def environment(
    pipeline: Pipeline, job: Job, file: Path = Path("params.yaml"), is_current: bool = True
) -> SimpleNamespace:
    """Gather what a job's stage takes beside sections, inputs and outputs; no result depends on it.

    Args:
        pipeline: The graph of the job.
        job: The job.
        file: The params file.
        is_current: Whether all that the job reads is known to be up to date; else the page tells what is not.
    """
    execution = pipeline.params.execution
    given = SimpleNamespace(
        execution=execution,
        device=getattr(pipeline.resources(job), "device", "cpu"),
        every=execution.log_every,
        timeout_seconds=execution.timeout_seconds,
    )
    if job.kind.name == "report":
        from adm.pipeline.report import content_of_page
        from adm.tools.jobs import states
        from adm.tools.reproduced import compared

        by_name = {} if is_current else states(Pipeline(pipeline.params, 1, pipeline.root))
        stale = {name: some(state.why, separator="; ") for name, state in by_name.items() if state.word == "stale"}
        given.content = content_of_page(pipeline, file, stale, compared(pipeline.root))
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
    pipeline = Pipeline(load(params))
    if dvc is not None:
        from adm.dvc_file import check_stages

        check_stages(dvc, params, pipeline)
    job = pipeline.find("resolve", "")
    with journal_of(job):
        from adm.stages import resolve as stage

        stage.run(write(pipeline.params), pipeline.triggers, job.outputs["jobs"], job.outputs["params"])


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
    tool.run(released_folder(), lambda *job: resolve(job[0]) if job[1] == "resolve" else carry_out(*job))


KEY = typer.Argument(help="Its key in the params file.")


def _fetch(
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
    # A key of a params file has a slash in it, and no released file's name has.
    if "/" not in key:
        from adm.artifacts.released_files import fetch_released, listing

        print(fetch_released(key, to) if key else "\n".join(listing(to)))
        return
    if to is not None:
        raise UserError(f"--to '{to}': is for released files; what a params file names goes to its results")
    carry_out(params, "fetch", key)


def _command(verb: str, kinds: list[Kind]) -> Callable[..., None]:
    """Return the function of a verb: a key, a shard, or whatever its kinds of jobs have."""
    if verb == "fetch":
        return _fetch
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

            with extras_named():
                tool.page(a, b, params, out)

        return page
    if not kinds[0].wildcards:

        def single(params: ParamsFile = Path("params.yaml")) -> None:
            carry_out(params, verb, "")

        return single
    if any("{shard}" in kind.wildcards for kind in kinds):

        def sharded(
            key: Annotated[str, KEY],
            params: ParamsFile = Path("params.yaml"),
            shard: Annotated[str, typer.Option(help="Only this part, as 3-of-8.")] = "",
        ) -> None:
            carry_out(params, verb, key, str(Shard.parse(shard)) if shard else "")

        return sharded

    def keyed(key: Annotated[str, KEY], params: ParamsFile = Path("params.yaml")) -> None:
        carry_out(params, verb, key)

    return keyed


for _verb in dict.fromkeys(kind.verb for kind in kinds().values() if kind.name != "resolve"):
    _kinds = [kind for kind in kinds().values() if kind.verb == _verb]
    _panel = IMAGES if _verb == "fetch" else STAGES
    app.command(_verb.replace("_", "-"), help=_kinds[0].help, rich_help_panel=_panel)(_command(_verb, _kinds))

app.registered_commands += tools.registered_commands


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


def carry_out(file: Path, verb: str, key: str, shard: str = "", is_current: bool = True) -> None:
    """Execute the job of a verb and a key, in as many processes as the params file says.

    Raises:
        UserError: There is no such job, or its stage fails.
    """
    pipeline = Pipeline(load(file))
    job = pipeline.find(verb, key, shard)
    taken = pipeline.resources(job)
    may_launch = job.kind.in_several and "WORLD_SIZE" not in os.environ
    with journal_of(job), _ended_as_asked(), extras_named():
        if may_launch and isinstance(taken, ProcessResources) and taken.world_size > 1:
            from adm.launcher import launch

            launch(taken.processes, taken.nodes, f"resources.{job.kind.resources}.nodes")
        else:
            carrying.carry_out(pipeline, job, environment(pipeline, job, file, is_current))


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
            app(prog_name="adm")
    except (UserError, OSError) as error:
        if debug:
            raise
        message = describe_error(error)
        # Of several processes the launcher prints the message; that module imports torch.
        if not ("WORLD_SIZE" in os.environ and import_module("adm.parallel").report_failure(message)):
            print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
