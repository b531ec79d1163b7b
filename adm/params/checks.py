"""Checks across sections of a params file: every name resolves, and sections that belong together fit."""

from collections.abc import Collection, Sequence
from typing import TypeVar, get_args

from adm.config.models import ProcessParams, check_alike, check_equal, check_fits, check_guide, check_shared
from adm.config.networks import ClassifierParams, UNetParams
from adm.config.respacing import number_of_steps
from adm.config.samplers import SAMPLERS
from adm.errors import accepted
from adm.params.data import DatasetParams
from adm.params.models import ClassifierModelParams, DiffusionModelParams, ModelParams, UpsamplerModelParams
from adm.params.references import Named, references
from adm.params.runs import GanRunParams, RunParams, SamplingParams
from adm.params.schema import Params, ScoredSection

IMAGES = ("image_size", "channels", "num_classes")
"""Fields that images and a network have in common."""

Model = TypeVar("Model", bound=DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams)


def check(params: Params) -> None:
    """Check all cross references but those of tables, figures and claims.

    Raises:
        ValueError: A reference is wrong; the message names the key, the value and what is accepted.
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


def check_known(section: Collection[str], key: str, place: str, among: str = "") -> None:
    """Refuse a key that is not in a section; `among` is its name, needed if the key may be defined in another section.

    Raises:
        ValueError: The message names the place, the key and what is accepted.
    """
    if key not in section:
        lacking = f"among {among}" if among else "defined"
        raise ValueError(f"{place}: {key!r} is not {lacking}; {accepted(section, key)}")


def check_kept(params: Params, run: str, place: str) -> None:
    """Refuse a run whose images are not kept, because the job of a curve samples it.

    Raises:
        ValueError: The message names the place, the run and its curve.
    """
    curve = params.curve_of(run)
    if curve is not None:
        raise ValueError(f"{place}: {run!r} is of curve {curve!r}, which keeps scores alone; give it no `curve`")


def check_classes(place: str, numbers: Collection[int], num_classes: int) -> None:
    """Refuse class numbers that are not below `num_classes`.

    Raises:
        ValueError: The largest number is too large; the message names both.
    """
    if (number := max(numbers, default=0)) >= num_classes:
        raise ValueError(f"{place}: {number} is no class; there are {num_classes}, from 0 on")


def _check_reference(params: Params, named: Named) -> None:
    place, ref, key = named.field, named.ref, named.key
    for one in params.members(key) if ref.groups else [key]:
        check_known(getattr(params, ref.of), one, place, ref.sections)
    if ref.of == "datasets" and params.datasets[key].image_size is None:
        sized = [name for name, dataset in params.datasets.items() if dataset.image_size is not None]
        raise ValueError(f"{place}: {key!r} has no image_size; name a view of it: {accepted(sized, key)}")
    if "samples" in ref.reads:
        check_kept(params, key, place)


def _check_names(params: Params) -> None:
    """Check that keys differ that would be taken for one another; `Pipeline` looks at all by what jobs write."""
    for key in set(params.scored) & {"reference", "dataset"}:
        raise ValueError(f"run {key!r}: features of {key}s lie where its own would; take another key")
    for key in params.groups.keys() & params.scored:
        raise ValueError(f"groups.{key}: {key!r} names a run already; take another key")
    for key in params.models.keys() & params.checkpoints:
        raise ValueError(f"models.{key}: {key!r} names a checkpoint of {params.checkpoints[key]!r}; take another")


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
        check_shared(training.batch_size, training.accumulation, network.dropout, taken.world_size)
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
    """Give the number of steps of a schedule that such a process has."""
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
                check_classes(f"{place}.classes", run.classes or [], dataset.num_classes)
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
    side, size = params.image_size_of_reference(run.reference), params.image_size_of(key)
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
        _check_ema_length(params, run.checkpoint, run.ema_length, f"{place}.ema_length")
    if isinstance(model, UpsamplerModelParams):
        _check_base(params, key, f"{place}.base", name, model)
    elif isinstance(run, RunParams):
        _check_classifier(params, f"{place}.classifier", run.classifier, name, model)
        _check_guides(params, place, run, name, model)


def _check_ema_length(params: Params, checkpoint: str, length: float, place: str) -> None:
    name = params.model_of(checkpoint)
    kept = params.models[name].training.averages
    if kept is None:
        raise ValueError(f"{place}: {length:g} needs averages, but model {name!r} has no training.averages")
    if checkpoint not in params.segments:
        raise ValueError(f"{place}: {length:g} needs averages, but {checkpoint!r} is not trained here")
    # Imported late: most params files ask for no length, and then they are read without numpy.
    from adm.config.averages import LARGEST_ERROR, combination, snapshot_steps  # noqa: PLC0415

    steps = snapshot_steps(kept.every, params.iteration_of(checkpoint))
    error = combination(steps, kept.lengths, length)[1]
    if error > LARGEST_ERROR:
        raise ValueError(
            f"{place}: {length:g} is too far from the lengths {kept.lengths} of {len(steps)} snapshots: its profile is "
            f"off by {error:.0%}, more than {LARGEST_ERROR:.0%}; take one nearer to these, or a smaller `every`"
        )


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
) -> None:
    if checkpoint is not None:
        _, classifier = _model_of(params, checkpoint, place, ClassifierModelParams)
        check_fits(place, classifier, f"model {name!r}", model)


def _check_guides(params: Params, place: str, run: RunParams, name: str, model: DiffusionModelParams) -> None:
    """Check what guides a run beside a classifier: a model that can, and steps to guide."""
    if run.cfg_scale is not None and not model.training.label_dropout:
        lacks = f"model {name!r} is trained without label_dropout, so it predicts nothing without a class"
        raise ValueError(f"{place}.cfg_scale: {lacks}; give it some, or leave cfg_scale out")
    if run.guide is not None:
        at, owner = f"{place}.guide.checkpoint", f"model {name!r}"
        _, guide = _model_of(params, run.guide.checkpoint, at, DiffusionModelParams)
        if run.guide.checkpoint == run.checkpoint:
            raise ValueError(f"{at}: {run.checkpoint!r} cannot guide itself; name a weaker one, such as an earlier one")
        check_guide(at, guide, owner, model)
    if run.guidance_interval is not None and not run.guided_steps(model.noise):
        raise ValueError(f"{place}.guidance_interval: {run.guidance_interval} holds none of steps {run.steps!r}")


def _check_studies(params: Params) -> None:
    for key, interpolation in params.interpolations.items():
        place = f"interpolations.{key}"
        name, model = _model_of(params, interpolation.checkpoint, f"{place}.checkpoint", DiffusionModelParams)
        _steps(f"{place}.steps", model.noise.timesteps, interpolation.steps)
        _check_classifier(params, f"{place}.classifier", interpolation.classifier, name, model)
        _check_images(place, params.datasets[interpolation.dataset], f"model {name!r}", model.network, IMAGES[:2])
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
