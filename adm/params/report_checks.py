"""Checks of tables, figures and claims: every key exists and has the right kind; rows fit the paper's.

They need the whole params file; a section knows only itself.
"""

from collections.abc import Collection, Sequence
from itertools import combinations, pairwise
from typing import Any

from pydantic import BaseModel

from adm.config.metrics import FEWEST_FOR_INTERVALS
from adm.config.models import check_alike
from adm.paper import FIGURES, JUDGED, TABLES, captions, table_cells
from adm.params.checks import check_classes, check_kept, check_known
from adm.params.claims import AnyClaim, BeatsEarlyClaim, ReconstructionOrderClaim, SimilarClaim
from adm.params.figures import (
    AblationsParams,
    AnyFigureParams,
    ClassGridParams,
    CurvesParams,
    LotteryFigureParams,
    RunCurvesParams,
)
from adm.params.needs import members_of, opinions_in
from adm.params.references import keys_read, references
from adm.params.schema import Params, Sections
from adm.params.tables import LotteryTableParams, OwnTableParams, kind_of_table

FEWEST_SEEDS = 3
"""Seeds of each kind of a lottery: with two, nothing is left to tell seeds' own effects from what they do together."""

FEWEST_DRAWS = 2
"""Draws of samples of each model of a lottery, which then have a spread."""

SAME_IMAGES = {"curve", "micro_batch", "compiled", "threads"}
"""Fields of runs that change no image, or no more than its rounding."""


def check_report(params: Params) -> None:
    """Check tables, figures and claims.

    Raises:
        ValueError: A check fails; the message names the key, the value and what is accepted.
    """
    for key in params.tables:
        _check_table(params, key)
    for key, figure in params.figures.items():
        _check_figure(params, key, figure)
        if isinstance(figure, AblationsParams | RunCurvesParams):
            _check_seeds(params, f"figures.{key}", keys_read(figure, "metrics"))
    for key, claim in params.claims.items():
        _check_compared(params, f"claims.{key}", claim)
        _check_claim(params, f"claims.{key}", claim)


def _check_table(params: Params, key: str) -> None:
    table, place = params.tables[key], f"tables.{key}"
    if table.kind != kind_of_table(key) and (key in TABLES or not isinstance(table, LotteryTableParams)):
        raise ValueError(f"{place}.kind: {table.kind!r} is not {kind_of_table(key)!r}, as this table is; leave it out")
    if key in TABLES:
        _check_lengths(place, key, table)
    _check_seeds(params, place, keys_read(table, "metrics"))
    if isinstance(table, OwnTableParams) and table.published is not None:
        known = {judge for judge, *_ in table_cells(JUDGED)[1]}
        check_known([judge for judge in table.judges if judge in known], table.published, f"{place}.published")
    if isinstance(table, OwnTableParams) and table.losses:
        _check_losses(params, place, table)
    if isinstance(table, LotteryTableParams):
        _check_lottery(params, f"{place}.runs", table.runs)
    _check_judged(params, table, f"{place}.judges")


def _check_losses(params: Params, place: str, table: OwnTableParams) -> None:
    """Check that losses are of held-out images and the rows' checkpoints, and that these go through one training."""
    points = [params.checkpoint_of(run) for run in table.rows.values()]
    at = [(params.model_of(point), params.iteration_of(point)) for point in points]
    losses, lacking = [params.likelihoods[key] for key in table.losses], {"kid_held_out", "copies"} - {*table.metrics}
    wanted = [losses[0].model_copy(update={"part": "held_out", "checkpoint": point}) for point in points]
    if lacking or losses != wanted or sorted(set(at)) != at or at[0][0] != at[-1][0] or len(at) < 2:
        alike = "of held-out images and the rows' checkpoints, in the order of one training, else alike"
        raise ValueError(f"{place}.losses: must be {alike}; and metrics must name kid_held_out and copies")


def _check_seeds(params: Params, place: str, keys: Collection[str]) -> None:
    """Refuse a group of a single run, which has no interval over seeds."""
    for key in keys:
        if len(params.groups.get(key, ["", ""])) < 2:
            raise ValueError(f"{place}: {key!r} is of one seed of training; an interval over seeds needs two or more")


def _check_lengths(place: str, key: str, table: Any) -> None:
    """Check that there are as many sources as places in the paper's table."""
    header, rows = table_cells(key)
    columns = len([name for name in header if name not in ("row", "note")])
    # Of a model Table 7 has three rows.
    counts = {"rows": len(rows), "models": len(rows) // 3, "columns": columns, "ddpm": columns, "ddim": columns}
    for name, count in counts.items():
        if (many := len(getattr(table, name, range(count)))) != count:
            raise ValueError(f"{place}.{name}: has {many} entries, but the paper's table has {count}")


def _check_figure(params: Params, key: str, figure: AnyFigureParams) -> None:
    place = f"figures.{key}"
    if figure.caption is None and key not in captions():
        raise ValueError(f"{place}.caption: is missing; figures of the paper, such as {FIGURES[0]!r}, bring their own")
    match figure:
        case ClassGridParams():
            reference = params.references.get(params.scored[figure.run].reference)
            if reference is not None:  # the number of classes of a published reference is not known here
                check_classes(f"{place}.classes", figure.classes, params.datasets[reference.dataset].num_classes)
        case CurvesParams():
            _check_axis(params, place, figure)
        case LotteryFigureParams():
            _check_lottery(params, f"{place}.runs", figure.runs)


def _check_axis(params: Params, place: str, figure: CurvesParams) -> None:
    field = {"iterations": "checkpoint", "temperature": "epsilon_temperature"}.get(figure.x, figure.x)
    for run in members_of(params, keys_read(figure, "metrics")):
        if getattr(params.scored[run], field, None) is None:
            raise ValueError(f"{place}.x: run {run!r} has no {figure.x}; take another axis, or leave the run out")


def _check_compared(params: Params, place: str, claim: AnyClaim) -> None:
    """Check that the runs of a claim can be compared, and that there is something between them to find."""
    compared = [named.key for named in references(type(claim), claim) if "metrics" in named.ref.reads]
    _check_seeds(params, place, compared)
    seeded, single = ([key for key in compared if (key in params.groups) is is_group] for is_group in (True, False))
    if seeded and single:
        raise ValueError(f"{place}: {seeded[0]!r} is of several seeds of training, but {single[0]!r} is of one")
    _check_counts(params, place, members_of(params, compared), over_seeds=bool(seeded))
    # Runs that are to be similar may differ in their seeds alone.
    same = SAME_IMAGES if isinstance(claim, SimilarClaim) else {*SAME_IMAGES, "seed"}
    entries = {run: params.section_of(run).model_dump(exclude=same) for run in compared}
    for run, other in combinations(compared, 2):
        if entries[run] == entries[other]:
            raise ValueError(f"{place}: {run!r} and {other!r} are of one configuration, so no effect is between them")


def _check_claim(params: Params, place: str, claim: AnyClaim) -> None:
    _check_judged(params, claim, f"{place}.judge")
    for model in keys_read(claim, "sizes"):
        if model not in {params.model_of(point) for point in (*params.segments, *params.published.checkpoints)}:
            raise ValueError(f"{place}: model {model!r} is trained by no segment, so its training has no cost")
    match claim:
        case ReconstructionOrderClaim():
            first, *others = claim.interpolations
            for other in others:
                one, two = params.interpolations[first], params.interpolations[other]
                check_alike(f"{place}.interpolations", two, repr(first), one, ("dataset", "reconstructions", "seed"))
                if one == two:
                    raise ValueError(f"{place}.interpolations: {first!r} and {other!r} are of one configuration")
        case BeatsEarlyClaim():
            for run in members_of(params, claim.runs):
                check_known({**params.runs, **params.upsampled_runs}, run, f"{place}.runs", "runs and upsampled_runs")


def _check_counts(params: Params, place: str, runs: Collection[str], over_seeds: bool) -> None:
    """Check that runs have equally many samples, and enough for intervals unless these are over seeds of training."""
    counts = {run: params.scored[run].num_samples for run in runs}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{run!r} has {count}" for run, count in counts.items())
        raise ValueError(f"{place}: {listed} samples; metrics depend on that number, so it must be one")
    for run, count in counts.items():
        if count < FEWEST_FOR_INTERVALS and not over_seeds:
            raise ValueError(f"{place}: {run!r} has {count} samples; an interval needs {FEWEST_FOR_INTERVALS} or more")


def _check_judged(params: Params, exhibit: BaseModel, place: str) -> None:
    for group, judge in opinions_in(exhibit):
        for run in params.members(group):
            check_kept(params, run, place)
            if judge == params.extractor_of(run):
                raise ValueError(f"{place}: {judge!r} is already the extractor of run {run!r}; leave it out")


def levels_of(params: Sections, group: str) -> list[tuple[int, int, int]]:
    """List the seeds of weights, data and noise that each run of a group is trained from."""
    models = [params.models[params.model_of(params.checkpoint_of(run))] for run in params.members(group)]
    return [(seeds.weights, seeds.data, seeds.noise) for seeds in (model.training.seeds for model in models)]


def _check_lottery(params: Params, place: str, groups: Sequence[str]) -> None:
    """Check that groups of runs, a draw of samples each, are of enough seeds of each kind, and share no image."""
    levels = levels_of(params, groups[0])
    by_kind = list(zip(*levels, strict=True))
    counts = [len(set(seeds)) for seeds in by_kind]
    if min(counts) < FEWEST_SEEDS or len(groups) < FEWEST_DRAWS:
        told = f"{groups[0]!r} has {counts} seeds of weights, data and noise, and {len(groups)} draws of samples"
        as_from = "as from a model with seeds: {weights: [1, 2, 3], data: [1, 2, 3], noise: [1, 2, 3]}"
        needed = f"{FEWEST_SEEDS} or more of each kind, {as_from}, and {FEWEST_DRAWS} draws or more"
        raise ValueError(f"{place}: {told}; a lottery needs {needed}, as from a run with sweep: {{seed: [0, 1000]}}")
    pairs = [len(set(zip(one, other, strict=True))) for one, other in combinations(by_kind, 2)]
    if {*pairs, *(count**2 for count in counts)} != {len(levels)}:
        raise ValueError(
            f"{place}: {groups[0]!r} is no Latin square; any two seeds of two kinds must meet in one model"
        )
    first, *others = ([params.checkpoint_of(run) for run in params.members(group)] for group in groups)
    for group, checkpoints in zip(groups[1:], others, strict=True):
        if checkpoints != first:
            raise ValueError(f"{place}: {group!r} is of other checkpoints than {groups[0]!r}; draws are of the same")
    runs = [run for group in groups for run in params.members(group)]
    drawn = sorted((params.scored[run].seed, params.scored[run].num_samples, run) for run in runs)  # type: ignore[union-attr]
    for (seed, count, run), (start, many, other) in pairwise(drawn):
        if many != count:
            raise ValueError(f"{place}: {run!r} has {count} samples, but {other!r} has {many}; draws have equally many")
        if seed + count > start:
            raise ValueError(f"{place}: {run!r} and {other!r} share seeds of images, from {start} on")
