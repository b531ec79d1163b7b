"""Checks across sections of a params file: every name resolves, and sections that belong together fit.

They need the whole params file; a section knows only itself.
"""

from collections.abc import Collection, Sequence
from itertools import combinations, pairwise
from typing import Any, TypeVar, get_args

from pydantic import BaseModel

from adm.config.metrics import FEWEST_FOR_INTERVALS
from adm.config.models import ProcessParams, check_alike, check_equal, check_fits, check_guide, check_shared
from adm.config.networks import ClassifierParams, UNetParams
from adm.config.samplers import SAMPLERS
from adm.config.schedules import WARPS, number_of_steps, respaced_timesteps
from adm.errors import accepted
from adm.paper import FIGURES, JUDGED, TABLES, captions, table_cells
from adm.params import claims, figures
from adm.params.data import DatasetParams, ReferenceParams
from adm.params.models import ClassifierModelParams, DiffusionModelParams, ModelParams, UpsamplerModelParams
from adm.params.needs import members_of, opinions_in
from adm.params.references import JOINED, Named, keys_read, references
from adm.params.runs import GanRunParams, RunParams, SamplingParams
from adm.params.schema import Params, ScoredSection, Sections
from adm.params.tables import LotteryTableParams, OwnTableParams, kind_of_table

FEWEST_SEEDS = 3
"""Seeds of each kind of a lottery: with two, nothing is left to tell seeds' own effects from what they do together."""

FEWEST_DRAWS = 2
"""Draws of samples of each model of a lottery, which then have a spread."""

SAME_IMAGES = {"curve", "micro_batch", "compiled", "threads"}
"""Fields of runs that change no image, or no more than its rounding."""

IMAGES = ("image_size", "channels", "num_classes")
"""Fields that images and a network have in common."""

Model = TypeVar("Model", bound=DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams)


def check(params: Params) -> None:
    """Check all that one section says of another.

    Raises:
        ValueError: A check fails; the message names the key, the value and what is accepted.
    """
    for named in references(type(params), params):
        _check_reference(params, named)
    _check_names(params)
    _check_features(params)
    for key, model in params.models.items():
        if model.dataset is not None:
            _check_training(params, f"models.{key}", model, params.datasets[model.dataset])
        if isinstance(model, DiffusionModelParams):
            _check_start(params, key, model)
    _check_runs(params)
    _check_studies(params)
    for key in params.tables:
        _check_table(params, key)
    for key, figure in params.figures.items():
        _check_figure(params, key, figure)
        if isinstance(figure, figures.AblationsParams | figures.RunCurvesParams):
            _check_seeds(params, f"figures.{key}", keys_read(figure, "metrics"))
    for key, claim in params.claims.items():
        _check_compared(params, f"claims.{key}", claim)
        _check_claim(params, f"claims.{key}", claim)


def check_known(section: Collection[str], key: str, place: str, among: str = "") -> None:
    """Refuse a key that is not in a section; `among` is its name, needed if the key may be defined in another section.

    Raises:
        ValueError: The message names the place, the key and what is accepted.
    """
    if key not in section:
        lacking = f"among {among}" if among else "defined"
        raise ValueError(f"{place}: {key!r} is not {lacking}; {accepted(section, key)}")


def _check_kept(params: Params, run: str, place: str) -> None:
    if (curve := params.curve_of(run)) is not None:
        raise ValueError(f"{place}: {run!r} is of curve {curve!r}, which keeps scores alone; give it no `curve`")


def _check_classes(place: str, numbers: Collection[int], num_classes: int) -> None:
    if (number := max(numbers, default=0)) >= num_classes:
        raise ValueError(f"{place}: {number} is no class; there are {num_classes}, from 0 on")


def _check_reference(params: Params, named: Named) -> None:
    place, ref, key = named.field, named.ref, named.key
    for one in params.members(key) if ref.groups else [key]:
        check_known(getattr(params, ref.of), one, place, JOINED.get(ref.of, ref.of))
    if ref.of == "datasets" and params.datasets[key].image_size is None:
        sized = [name for name, dataset in params.datasets.items() if dataset.image_size is not None]
        raise ValueError(f"{place}: {key!r} has no image_size; name a view of it: {accepted(sized, key)}")
    if "samples" in ref.reads:
        _check_kept(params, key, place)


def _check_names(params: Params) -> None:
    """Check that keys differ that would be taken for one another; `Pipeline` looks at all by what jobs write."""
    batches = {name: getattr(params, name) for name in ("runs", "upsampled_runs", "gan_runs")}
    batches["published.samples"] = params.published.samples
    for (first, one), (second, other) in combinations(batches.items(), 2):
        for key in one.keys() & other.keys():
            raise ValueError(f"{second}.{key}: {first}.{key} gives this key, too; take another key")
    for key in set(params.scored) & {"reference", "dataset"}:
        raise ValueError(f"run {key!r}: features of {key}s lie where its own would; take another key")
    for key in params.groups.keys() & params.scored:
        raise ValueError(f"groups.{key}: {key!r} names a run already; take another key")
    for section in ("models", "gans"):
        for key in getattr(params, section).keys() & params.checkpoints:
            raise ValueError(
                f"{section}.{key}: {key!r} names a checkpoint of {params.checkpoints[key]!r}; take another"
            )


def _check_features(params: Params) -> None:
    for key, extractor in params.extractors.items():
        if extractor.learns == "classes" and params.datasets[extractor.dataset].num_classes == 1:
            raise ValueError(f"extractors.{key}.learns: {extractor.dataset!r} has one of 'classes'; learn 'rotations'")
    for key, batch in params.all_references.items():
        if getattr(params.graphs[batch.extractor], "network", None) is not None:
            name = "references" if key in params.references else "published.references"
            raise ValueError(f"{name}.{key}.extractor: {batch.extractor!r} gives pooled features alone, as judges may")


def _check_training(params: Params, place: str, model: ModelParams, dataset: DatasetParams) -> None:
    training, network, taken = model.training, model.network, params.resources.train
    try:
        check_shared(model, taken.world_size)
    except ValueError as error:
        many = f"{taken.processes} on {taken.nodes} nodes" if taken.nodes > 1 else str(taken.processes)
        raise ValueError(f"resources.train.processes: {many} does not fit {place}.training: {error}") from error
    last = max(model.checkpoints, default=0)
    if training.annealing is not None and training.annealing < last:
        raise ValueError(f"{place}.checkpoints: {last} is past training.annealing {training.annealing}, where it ends")
    # Squares may be larger than the network's images where crops are cut from them.
    has_room = training.crop == "random" and dataset.stored == "pixels" and dataset.side > network.image_size
    _check_images(place, dataset, "the network", network, IMAGES[1:] if has_room else IMAGES)


def _check_start(params: Params, key: str, model: DiffusionModelParams) -> None:
    """Refuse a start with weights that do not fit, or with some that are made from itself."""
    if (start := model.start) is None:
        return
    place, chain = f"models.{key}.start.checkpoint", [key]
    while (begun := getattr(params.models[chain[-1]], "start", None)) and chain[-1] not in chain[:-1]:
        chain.append(params.model_of(begun.checkpoint))
    if chain[-1] in chain[:-1]:
        raise ValueError(f"{place}: {start.checkpoint!r} is a circle, {' -> '.join(chain)}")
    _, source = _model_of(params, start.checkpoint, place, DiffusionModelParams)
    converted = {"image_channels", "dropout", *(() if start.keep_classes else ("num_classes",))}
    check_alike(place, source.noise, f"model {key!r}", model.noise, ProcessParams.model_fields)
    kept = [field for field in UNetParams.model_fields if field not in converted]
    check_alike(place, source.network, f"model {key!r}", model.network, kept)


def _check_images(
    place: str, dataset: DatasetParams, owner: str, network: UNetParams | ClassifierParams, names: Sequence[str]
) -> None:
    for name in names:
        expected = getattr(network, {"channels": "image_channels"}.get(name, name))
        if expected is not None:
            check_equal(f"{place}.dataset", name, getattr(dataset, name), owner, expected)


def _model_of(params: Params, checkpoint: str, place: str, wanted: type[Model]) -> tuple[str, Model]:
    """Give the model of a checkpoint, which must be of a kind, with its key."""
    name = params.model_of(checkpoint)
    model = params.models[name]
    if not isinstance(model, wanted):
        (kind,) = get_args(wanted.model_fields["kind"].annotation)
        raise ValueError(f"{place}: {checkpoint!r} is of kind {model.kind!r}, not {kind!r}")
    return name, model


def _steps(place: str, timesteps: int, steps: str) -> int:
    try:
        return number_of_steps(timesteps, steps)
    except ValueError as error:
        raise ValueError(f"{place}: {str(error).removeprefix('steps: ')}") from error


def _check_runs(params: Params) -> None:
    for section in ("runs", "upsampled_runs", "gan_runs"):
        for key, run in getattr(params, section).items():
            place = f"{section}.{key}"
            if isinstance(run, GanRunParams):
                dataset = params.datasets[params.gans[run.gan].dataset]
                _check_classes(f"{place}.classes", run.classes or [], dataset.num_classes)
            else:
                _check_sampling(params, key, place, run)
            _check_scored(params, key, place, run)
    for key, samples in params.published.samples.items():
        _check_scored(params, key, f"published.samples.{key}", samples)
    for curve, (first, *others) in params.curves.items():
        reference = params.runs[first].reference
        for key in others:
            check_equal(f"runs.{key}.curve", "reference", params.runs[key].reference, f"{curve!r}", reference)


def _check_scored(params: Params, key: str, place: str, run: ScoredSection) -> None:
    reference, size = params.all_references[run.reference], params.image_size_of(key)
    side = params.datasets[reference.dataset].side if isinstance(reference, ReferenceParams) else reference.image_size
    check_equal(f"{place}.reference", "image_size", side, f"run {key!r}", size)


def _check_sampling(params: Params, key: str, place: str, run: SamplingParams) -> None:
    wanted: type[DiffusionModelParams | UpsamplerModelParams]
    wanted = DiffusionModelParams if isinstance(run, RunParams) else UpsamplerModelParams
    name, model = _model_of(params, run.checkpoint, f"{place}.checkpoint", wanted)
    timesteps = model.noise.timesteps
    count = _steps(f"{place}.steps", timesteps, run.steps)
    if "order" in SAMPLERS[run.sampler].fields and run.order > count:
        raise ValueError(f"{place}.order: {run.order} needs as many steps, but steps {run.steps!r} are {count}")
    if run.ema_length is not None:
        kept = model.training.averages if run.checkpoint in params.segments else None
        if run.ema_length not in (kept or []):
            told = f"training.averages of model {name!r} are {kept}" if kept else f"{run.checkpoint!r} keeps none"
            raise ValueError(f"{place}.ema_length: {run.ema_length:g} is no average that is kept; {told}")
    if isinstance(model, UpsamplerModelParams):
        _check_base(params, key, f"{place}.base", name, model)
    elif isinstance(run, RunParams):
        classifier = _check_classifier(params, f"{place}.classifier", run.classifier, name, model)
        _check_guides(params, place, run, name, model)
        if (counts := run.class_counts) is not None:
            classes = model.network.num_classes or (classifier.network.num_classes if classifier else 0)
            if len(counts) != classes:
                raise ValueError(f"{place}.class_counts: has {len(counts)} numbers, but there are {classes} classes")
            if not 0 < sum(counts) < 2**32:  # of more, the draw would take more of a seed's bits
                raise ValueError(f"{place}.class_counts: sums to {sum(counts)}; it must be 1 to {2**32 - 1}")


def _check_base(params: Params, key: str, place: str, name: str, upsampler: UpsamplerModelParams) -> None:
    run, owner, network = params.upsampled_runs[key], f"model {name!r}", upsampler.network
    side = params.image_size_of(run.base)
    check_equal(place, "image_size", side, f"{owner} at low resolution", network.low_resolution)
    base = params.models[params.model_of(params.runs[run.base].checkpoint)]
    check_equal(place, "image_channels", base.network.image_channels, owner, network.image_channels)
    count = params.runs[run.base].num_samples
    if count < run.num_samples:
        raise ValueError(f"{place}: {run.base!r} has {count} samples, fewer than the {run.num_samples} to upsample")


def _check_classifier(
    params: Params, place: str, checkpoint: str | None, name: str, model: DiffusionModelParams
) -> ClassifierModelParams | None:
    if checkpoint is None:
        return None
    _, classifier = _model_of(params, checkpoint, place, ClassifierModelParams)
    check_fits(place, classifier, f"model {name!r}", model)
    return classifier


def _check_guides(params: Params, place: str, run: RunParams, name: str, model: DiffusionModelParams) -> None:
    try:
        run.check_guided(run.classifier is not None, f"model {name!r}", model)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error
    if run.guide is not None:
        at, owner = f"{place}.guide.checkpoint", f"model {name!r}"
        _, guide = _model_of(params, run.guide.checkpoint, at, DiffusionModelParams)
        if run.guide.checkpoint == run.checkpoint:
            raise ValueError(f"{at}: {run.checkpoint!r} cannot guide itself; name a weaker one, such as an earlier one")
        check_guide(at, guide, owner, model)


def _check_studies(params: Params) -> None:
    for key, interpolation in params.interpolations.items():
        place = f"interpolations.{key}"
        name, model = _model_of(params, interpolation.checkpoint, f"{place}.checkpoint", DiffusionModelParams)
        if _steps(f"{place}.steps", model.noise.timesteps, interpolation.steps) < 2:
            raise ValueError(f"{place}.steps: one encodes nothing, as the last is left out; take two or more")
        classifier = _check_classifier(params, f"{place}.classifier", interpolation.classifier, name, model)
        dataset = params.datasets[interpolation.dataset]
        _check_images(place, dataset, f"model {name!r}", model.network, IMAGES)
        if classifier is not None:
            _check_images(place, dataset, f"classifier {interpolation.classifier!r}", classifier.network, IMAGES[2:])
    for key, pair in params.neighbours.items():
        reference = params.scored[pair.run].reference
        check_known(params.references, reference, f"neighbours.{key}.run: its reference", "references")
    for key, likelihood in params.likelihoods.items():
        place, dataset = f"likelihoods.{key}", params.datasets[likelihood.dataset]
        name, model = _model_of(params, likelihood.checkpoint, f"{place}.checkpoint", DiffusionModelParams)
        _steps(f"{place}.steps", model.noise.timesteps, likelihood.steps or "1")
        _check_images(place, dataset, f"model {name!r}", model.network, IMAGES)
        if likelihood.part == "held_out" and not dataset.held_out:
            raise ValueError(f"{place}.part: 'held_out' has no image: {likelihood.dataset!r} has held_out 0.0")


def _check_table(params: Params, key: str) -> None:
    table, place = params.tables[key], f"tables.{key}"
    if table.kind != kind_of_table(key) and (key in TABLES or not isinstance(table, LotteryTableParams)):
        raise ValueError(f"{place}.kind: {table.kind!r} is not {kind_of_table(key)!r}, as this table is; leave it out")
    if key in TABLES:
        header, rows = table_cells(key)
        columns = len([name for name in header if name not in ("row", "note")])
        # Of a model Table 7 has three rows.
        counts = {"rows": len(rows), "models": len(rows) // 3, "columns": columns, "ddpm": columns, "ddim": columns}
        for name, count in counts.items():
            if (many := len(getattr(table, name, range(count)))) != count:
                raise ValueError(f"{place}.{name}: has {many} entries, but the paper's table has {count}")
    if not isinstance(table, LotteryTableParams):
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
    for key in keys:
        if len(params.groups.get(key, ["", ""])) < 2:
            raise ValueError(f"{place}: {key!r} is of one seed of training; an interval over seeds needs two or more")
        runs = [run for run in params.groups.get(key, []) if run in {*params.runs, *params.upsampled_runs}]
        bases = [params.upsampled_runs[run].base for run in runs if run in params.upsampled_runs]
        kinds = [*zip(*levels_of(params, runs), strict=True), *zip(*levels_of(params, bases), strict=True)]
        for kind, seeds in zip(2 * ("weights", "data", "noise"), kinds, strict=False):
            if 1 < len({*seeds}) < len(seeds):
                crossed = f"{key!r} is of models of which some share a seed of {kind}; only a lottery takes them"
                raise ValueError(f"{place}: {crossed}, as an interval over seeds is of models that are trained apart")


def _check_figure(params: Params, key: str, figure: figures.AnyFigureParams) -> None:
    place = f"figures.{key}"
    if figure.caption is None and key not in captions():
        raise ValueError(f"{place}.caption: is missing; figures of the paper, such as {FIGURES[0]!r}, bring their own")
    match figure:
        case figures.ClassGridParams():
            reference = params.references.get(params.scored[figure.run].reference)
            if reference is not None:  # the number of classes of a published reference is not known here
                _check_classes(f"{place}.classes", figure.classes, params.datasets[reference.dataset].num_classes)
        case figures.CurvesParams():
            field = {"iterations": "checkpoint", "temperature": "epsilon_temperature"}.get(figure.x, figure.x)
            for run in members_of(params, keys_read(figure, "metrics")):
                if getattr(params.scored[run], field, None) is None:
                    lacking = f"run {run!r} has no {figure.x}"
                    raise ValueError(f"{place}.x: {lacking}; take another axis, or leave the run out")
        case figures.LotteryFigureParams():
            _check_lottery(params, f"{place}.runs", figure.runs)


def _check_compared(params: Params, place: str, claim: claims.AnyClaim) -> None:
    """Check that the runs of a claim can be compared, and that there is something between them to find."""
    compared = [named.key for named in references(type(claim), claim) if "metrics" in named.ref.reads]
    _check_seeds(params, place, compared)
    seeded, single = ([key for key in compared if (key in params.groups) is is_group] for is_group in (True, False))
    if seeded and single:
        raise ValueError(f"{place}: {seeded[0]!r} is of several seeds of training, but {single[0]!r} is of one")
    counts = {run: params.scored[run].num_samples for run in members_of(params, compared)}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{run!r} has {count}" for run, count in counts.items())
        raise ValueError(f"{place}: {listed} samples; metrics depend on that number, so it must be one")
    for run, count in counts.items():
        if count < FEWEST_FOR_INTERVALS and not seeded:
            raise ValueError(f"{place}: {run!r} has {count} samples; an interval needs {FEWEST_FOR_INTERVALS} or more")
    # Runs that are to be similar may differ in their seeds alone.
    same = SAME_IMAGES if isinstance(claim, claims.SimilarClaim) else {*SAME_IMAGES, "seed"}
    entries = {run: _images_of(params, params.section_of(run), same) for run in compared}
    for run, other in combinations(compared, 2):
        if entries[run] == entries[other]:
            raise ValueError(f"{place}: {run!r} and {other!r} are of one configuration, so no effect is between them")


def _images_of(params: Params, run: ScoredSection, same: Collection[str]) -> dict[str, Any]:
    """Tell what makes the images of a run; steps in other words and what guides at no scale make no others."""
    values = run.model_dump(exclude=set(same))
    if isinstance(run, SamplingParams) and not run.steps.startswith(tuple(WARPS)):
        timesteps = params.models[params.model_of(run.checkpoint)].noise.timesteps
        values["steps"] = respaced_timesteps(timesteps, run.steps)
    if isinstance(run, RunParams):
        by_denoiser = run.denoiser_scale is not None
        if not run.gradient_scale:
            values |= dict.fromkeys(("classifier", "classifier_precision", "clipping_order"))
        if not by_denoiser:
            values |= dict.fromkeys(("cfg_scale", "guide"))
        if not (run.gradient_scale or by_denoiser):
            values["guidance_interval"] = None
    return values


def _check_claim(params: Params, place: str, claim: claims.AnyClaim) -> None:
    _check_judged(params, claim, f"{place}.judge")
    match claim:
        case claims.LighterClaim():
            trained = {params.model_of(point) for point in (*params.segments, *params.published.checkpoints)}
            if untrained := {claim.model, claim.than} - trained:
                raise ValueError(f"{place}: model {min(untrained)!r} is trained by no segment, so it has no cost")
        case claims.CheaperClaim():
            for run in (claim.run, claim.than):
                sampled = {**params.runs, **params.upsampled_runs, **params.gan_runs}
                check_known(sampled, params.members(run)[0], place, "runs, upsampled_runs and gan_runs")
        case claims.ReconstructionOrderClaim():
            first, *others = claim.interpolations
            for other in others:
                one, two = params.interpolations[first], params.interpolations[other]
                check_alike(f"{place}.interpolations", two, repr(first), one, ("dataset", "reconstructions", "seed"))
                if one == two:
                    raise ValueError(f"{place}.interpolations: {first!r} and {other!r} are of one configuration")
        case claims.BeatsEarlyClaim():
            for run in members_of(params, claim.runs):
                check_known({**params.runs, **params.upsampled_runs}, run, f"{place}.runs", "runs and upsampled_runs")


def _check_judged(params: Params, exhibit: BaseModel, place: str) -> None:
    for group, judge in opinions_in(exhibit):
        for run in params.members(group):
            _check_kept(params, run, place)
            if judge == params.extractor_of(run):
                raise ValueError(f"{place}: {judge!r} is already the extractor of run {run!r}; leave it out")


def levels_of(params: Sections, runs: Sequence[str]) -> list[tuple[int, int, int]]:
    """List the seeds of weights, data and noise that the model of each run is trained from."""
    models = [params.models[params.model_of(params.checkpoint_of(run))] for run in runs]
    return [(seeds.weights, seeds.data, seeds.noise) for seeds in (model.training.seeds for model in models)]


def _check_lottery(params: Params, place: str, groups: Sequence[str]) -> None:
    """Check that groups of runs, a draw of samples each, are of enough seeds of each kind, and share no image."""
    levels = levels_of(params, params.members(groups[0]))
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
