"""Checks across sections of a params file: every name resolves, and sections that belong together fit."""

from collections.abc import Collection

from adm.config.models import check_equal, check_fits, check_shared
from adm.config.respacing import family_size, number_of_steps, rounds_of
from adm.config.samplers import SAMPLERS
from adm.params.data import DatasetParams
from adm.params.gans import GanRunParams
from adm.params.guidance_checks import check_guides
from adm.params.keys import check_class, check_kept, check_known, check_references
from adm.params.models import ClassifierModelParams, DiffusionModelParams, ModelParams, UpsamplerModelParams
from adm.params.report_checks import check_report
from adm.params.runs import RunParams, SamplingParams
from adm.params.schedules import SearchParams, VariationalParams
from adm.params.schema import Params
from adm.params.studies import BoundParams

FEWEST_SCORED = 4
"""Images of a score, as of a run."""


def check(params: Params) -> None:
    """Check all cross references.

    Raises:
        ValueError: A reference is wrong; the message names the key, the value and what is accepted.
    """
    check_references(params)
    for key, extractor in params.extractors.items():
        if extractor.learns == "classes" and params.datasets[extractor.dataset].num_classes == 1:
            raise ValueError(
                f"extractors.{key}.learns: 'classes' are one in dataset {extractor.dataset!r}; 'rotations' is accepted"
            )
    _check_devices(params)
    _check_names(params)
    _check_extractors(params)
    _check_sizes(params)
    for key in params.models:
        _check_training(params, key)
    _check_schedules(params)
    _check_runs(params)
    _check_groups(params)
    _check_studies(params)
    for key, likelihood in params.likelihoods.items():
        _check_likelihood(params, f"likelihoods.{key}", likelihood, "steps")
    check_report(params)


def _check_devices(params: Params) -> None:
    device = params.resources.features.device
    for key, graph in params.graphs.items():
        if device != "cpu" and graph.executor == "tensorflow":
            place = f"{'extractors' if key in params.extractors else 'published.graphs'}.{key}.executor"
            raise ValueError(f"{place}: 'tensorflow' runs only on 'cpu', not on resources.features.device {device!r}")


def _check_names(params: Params) -> None:
    """Check that keys of artifacts of one kind differ, also across sections, because they share a folder."""
    published = params.published
    shared: dict[str, dict[str, Collection[str]]] = {
        "checkpoint": {
            "models": [f"{model}-0" for model in params.models] + list(params.segments),
            "published.checkpoints": published.checkpoints,
        },
        "graph": {"extractors": params.extractors, "published.graphs": published.graphs},
        "reference": {"references": params.references, "published.references": published.references},
        "run": {
            "runs": params.runs,
            "upsampled_runs": params.upsampled_runs,
            "gan_runs": params.gan_runs,
            "published.samples": published.samples,
            "groups": params.groups,
        },
        "study": {
            "interpolations": params.interpolations,
            "neighbours": params.neighbours,
            "variations": params.variations,
            "likelihoods": params.likelihoods,
            "schedules": params.schedules,
        },
    }
    for kind, sections in shared.items():
        seen: dict[str, str] = {}
        for name, section in sections.items():
            for key in section:
                if key in seen:
                    raise ValueError(f"{name}.{key}: {key!r} names {seen[key]} already; take another key")
                seen[key] = f"a {kind} of {name}"
    for key in set(params.scored) & {"reference", "dataset"}:
        raise ValueError(f"run {key!r}: features of {key}s lie where its own would; take another key")
    for checkpoints in shared["checkpoint"].values():
        for key in checkpoints:
            if key in params.models:
                owner = params.model_of(key)
                raise ValueError(f"models.{key}: {key!r} names a checkpoint of {owner!r}; take another key")


def _check_sizes(params: Params) -> None:
    for key, reference in params.references.items():
        dataset = params.datasets[reference.dataset]
        most, of_them = dataset.most_images, " that are not held out" if dataset.held_out else ""
        if most is not None and reference.num_images > most:
            raise ValueError(
                f"references.{key}.num_images: {reference.num_images} is not accepted; dataset {reference.dataset!r} "
                f"has {most} images{of_them}"
            )


def _check_extractors(params: Params) -> None:
    for key, reference in params.all_references.items():
        if getattr(params.graphs[reference.extractor], "network", None) is not None:
            name = "references" if key in params.references else "published.references"
            raise ValueError(
                f"{name}.{key}.extractor: {reference.extractor!r} gives pooled features alone; name a graph here, and "
                "it among a table's judges"
            )


def _check_training(params: Params, key: str) -> None:
    model, place = params.models[key], f"models.{key}"
    if model.dataset is None:
        return
    dataset, training, network = params.datasets[model.dataset], model.training, model.network
    taken = params.resources.train
    try:
        check_shared(training.batch_size, training.accumulation, network.dropout, taken.world_size)
    except ValueError as error:
        many = f"{taken.processes} on {taken.nodes} nodes" if taken.nodes > 1 else str(taken.processes)
        raise ValueError(f"resources.train.processes: {many} does not fit {place}.training: {error}") from error
    last = max(model.checkpoints, default=0)
    if training.annealing is not None and training.annealing < last:
        raise ValueError(
            f"{place}.checkpoints: {last} is past training.annealing {training.annealing}, where the learning rate is "
            "zero"
        )
    # Squares may be larger than the network's images where crops are cut from them.
    has_room = training.crop == "random" and dataset.stored == "pixels" and dataset.side > network.image_size
    if not has_room:
        check_equal(f"{place}.dataset", "image_size", dataset.image_size, "the network", network.image_size)
    _check_channels(f"{place}.dataset", dataset, "the network", model)
    if network.num_classes is not None:
        check_equal(f"{place}.dataset", "num_classes", dataset.num_classes, "the network", network.num_classes)


def _check_channels(place: str, dataset: DatasetParams, named: str, model: ModelParams) -> None:
    check_equal(place, "channels", dataset.channels, named, model.network.image_channels)


def _check_runs(params: Params) -> None:
    for key in params.scored:
        _check_run(params, key)
    for curve, (first, *others) in params.curves.items():
        reference = params.runs[first].reference
        for key in others:
            check_equal(f"runs.{key}.curve", "reference", params.runs[key].reference, f"{curve!r}", reference)


def _check_run(params: Params, key: str) -> None:
    run, place = params.scored[key], _place(params, key)
    if isinstance(run, GanRunParams):
        dataset = params.datasets[params.gans[run.gan].dataset]
        for number in run.classes or []:
            check_class(f"{place}.classes", number, dataset.num_classes)
    if isinstance(run, SamplingParams):
        _check_sampling(params, key, run)
    _check_reference(params, key)


def _check_sampling(params: Params, key: str, run: SamplingParams) -> None:
    place = _place(params, key)
    name = params.model_of(run.checkpoint)
    model = params.models[name]
    wanted = DiffusionModelParams if isinstance(run, RunParams) else UpsamplerModelParams
    if not isinstance(model, wanted):
        kind = "diffusion" if isinstance(run, RunParams) else "upsampler"
        raise ValueError(f"{place}.checkpoint: {run.checkpoint!r} is of kind {model.kind!r}, not {kind!r}")
    assert isinstance(model, DiffusionModelParams | UpsamplerModelParams)
    _respaces(place, model.noise.timesteps, run.steps)
    _check_order(place, run, model.noise.timesteps)
    _check_scheduled(params, place, run, model.noise.timesteps)
    if run.ema_length is not None:
        _check_ema_length(params, run.checkpoint, run.ema_length, f"{place}.ema_length")
    if isinstance(run, RunParams):
        assert isinstance(model, DiffusionModelParams)
        _check_guidance(params, place, run.classifier, name)
        check_guides(params, place, run, name)
    else:
        _check_base(params, key, name)


def _check_ema_length(params: Params, checkpoint: str, length: float, place: str) -> None:
    name = params.model_of(checkpoint)
    kept = params.models[name].training.averages
    if kept is None:
        raise ValueError(f"{place}: {length:g} needs averages, but model {name!r} has no training.averages")
    if checkpoint not in params.segments:
        raise ValueError(f"{place}: {length:g} needs averages, but {checkpoint!r} is not trained here")
    # Imported late: most params files ask for no length, and then they are read without numpy.
    from adm.config.averages import check_combined  # noqa: PLC0415

    try:
        check_combined(kept.every, params.iteration_of(checkpoint), kept.lengths, length)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _check_order(place: str, run: SamplingParams, timesteps: int) -> None:
    count = number_of_steps(timesteps, run.steps)
    if "order" in SAMPLERS[run.sampler].fields and run.order > count:
        raise ValueError(f"{place}.order: {run.order} needs as many steps, but steps {run.steps!r} are {count}")


def _check_base(params: Params, key: str, name: str) -> None:
    run, place, upsampler = params.upsampled_runs[key], f"upsampled_runs.{key}.base", params.models[name]
    assert isinstance(upsampler, UpsamplerModelParams)
    check_kept(params, run.base, place)
    side = params.image_size_of(run.base)
    owner, network = f"model {name!r}", upsampler.network
    check_equal(place, "image_size", side, f"{owner} at low resolution", network.low_resolution)
    base = params.models[params.model_of(params.runs[run.base].checkpoint)]
    check_equal(place, "image_channels", base.network.image_channels, owner, network.image_channels)
    count = params.runs[run.base].num_samples
    if count < run.num_samples:
        raise ValueError(f"{place}: {run.base!r} has {count} samples, fewer than the {run.num_samples} to upsample")


def _check_reference(params: Params, key: str) -> None:
    run, place = params.scored[key], _place(params, key)
    side, size = params.image_size_of_reference(run.reference), params.image_size_of(key)
    if side != size:
        raise ValueError(
            f"{place}.reference: {run.reference!r} has image_size {side}, but the run's images have {size}"
        )


def _check_guidance(params: Params, place: str, checkpoint: str | None, name: str) -> None:
    if checkpoint is None:
        return
    model = params.models[name]
    assert isinstance(model, DiffusionModelParams)
    classifier = params.models[params.model_of(checkpoint)]
    place = f"{place}.classifier"
    if not isinstance(classifier, ClassifierModelParams):
        raise ValueError(f"{place}: {checkpoint!r} is of kind {classifier.kind!r}, not 'classifier'")
    check_fits(place, classifier, f"model {name!r}", model)


def _check_groups(params: Params) -> None:
    for key, runs in params.groups.items():
        for run in runs:
            if runs.count(run) > 1:
                raise ValueError(f"groups.{key}: {run!r} stands twice; each run must differ")


def _check_studies(params: Params) -> None:
    for key, interpolation in params.interpolations.items():
        place = f"interpolations.{key}"
        name, model = _diffusion_model_of(params, interpolation.checkpoint, f"{place}.checkpoint")
        _respaces(place, model.noise.timesteps, interpolation.steps)
        _check_guidance(params, place, interpolation.classifier, name)
        dataset = params.datasets[interpolation.dataset]
        check_equal(f"{place}.dataset", "image_size", dataset.image_size, f"model {name!r}", model.network.image_size)
        _check_channels(f"{place}.dataset", dataset, f"model {name!r}", model)
    for key, pair in params.neighbours.items():
        check_kept(params, pair.run, f"neighbours.{key}.run")
        reference = params.scored[pair.run].reference
        check_known(params.references, reference, f"neighbours.{key}.run: its reference", "references")
    for key, variation in params.variations.items():
        place, name = f"variations.{key}", variation.run
        varied = params.runs[name]
        if varied.classifier is None:
            raise ValueError(f"{place}.run: {name!r} has no classifier, so scales {variation.scales} do nothing")
        if varied.guide is not None:
            raise ValueError(f"{place}.run: {name!r} has a guide, which variations do not read; name a run without one")
        if variation.num_samples > varied.num_samples:
            many = f"exceeds the {varied.num_samples} of run {name!r}"
            raise ValueError(f"{place}.num_samples: {variation.num_samples} {many}")


def _check_likelihood(params: Params, place: str, likelihood: BoundParams, field: str) -> None:
    name, model = _diffusion_model_of(params, likelihood.checkpoint, f"{place}.checkpoint")
    if (steps := getattr(likelihood, field)) is not None:
        _respaces(place, model.noise.timesteps, steps, field)
    dataset, owner = params.datasets[likelihood.dataset], f"model {name!r}"
    check_equal(f"{place}.dataset", "image_size", dataset.image_size, owner, model.network.image_size)
    _check_channels(f"{place}.dataset", dataset, owner, model)
    if model.network.num_classes is not None:
        check_equal(f"{place}.dataset", "num_classes", dataset.num_classes, owner, model.network.num_classes)
    if likelihood.part == "held_out" and not dataset.held_out:
        raise ValueError(f"{place}.part: 'held_out' has no image, as dataset {likelihood.dataset!r} has held_out 0.0")
    # The number of a dataset's images is known here only if its section limits it.
    if dataset.limit is not None and likelihood.num_images > dataset.limit:
        many = f"exceeds the limit {dataset.limit} of dataset {likelihood.dataset!r}"
        raise ValueError(f"{place}.num_images: {likelihood.num_images} {many}")


def _check_schedules(params: Params) -> None:
    for key, schedule in params.schedules.items():
        if isinstance(schedule, VariationalParams):
            _check_likelihood(params, f"schedules.{key}", schedule, "among")
        else:
            _check_search(params, key, schedule)


def _check_search(params: Params, key: str, search: SearchParams) -> None:
    place = f"schedules.{key}"
    run = params.runs[search.run]
    if run.schedule is not None:
        raise ValueError(f"{place}.run: {search.run!r} has a schedule itself, {run.schedule!r}; name one without")
    for field in ("guide", "ema_length"):
        if getattr(run, field) is not None:
            raise ValueError(f"{place}.run: {search.run!r} has a {field}, which no search takes; name one without")
    name, model = _diffusion_model_of(params, run.checkpoint, f"runs.{search.run}.checkpoint")
    timesteps = model.noise.timesteps
    if timesteps % search.sections:
        raise ValueError(f"{place}.sections: {search.sections} does not divide the {timesteps} of model {name!r}")
    _respaces(f"runs.{search.run}", timesteps, run.steps)
    total, most = number_of_steps(timesteps, run.steps), timesteps // search.sections
    for steps in search.known:
        parts = [int(part) for part in steps.split(",")] if steps[0].isdigit() else []
        if len(parts) != search.sections or sum(parts) != total or max(parts) > most:
            raise ValueError(
                f"{place}.known: {steps!r} does not give the {total} steps of run {search.run!r} to {search.sections} "
                f"sections of at most {most}"
            )
    size = family_size(total, search.sections, most)
    if not len(set(search.known)) == len(search.known) <= search.candidates <= size:
        raise ValueError(
            f"{place}.candidates: {search.candidates} is not accepted; there are {size} schedules, of which "
            f"{len(search.known)} are known, each of which stands once"
        )
    if (first := rounds_of(search.candidates, search.num_samples)[0][1]) < FEWEST_SCORED:
        raise ValueError(
            f"{place}.num_samples: {search.num_samples} leaves {first} for the first round; at least {FEWEST_SCORED} "
            "are needed there, or fewer candidates"
        )


def _check_scheduled(params: Params, place: str, run: SamplingParams, timesteps: int) -> None:
    """Check that the schedule of a run has one of so many steps, of a process as long, and no seed of the run."""
    if run.schedule is None:
        return
    if not run.steps.isdigit():
        raise ValueError(f"{place}.steps: {run.steps!r} chooses timesteps; with a schedule write their number alone")
    schedule, owner = params.schedules[run.schedule], f"{place}.schedule: {run.schedule!r}"
    if isinstance(schedule, VariationalParams):
        source, steps = schedule.checkpoint, schedule.among
    else:
        source, steps = params.runs[schedule.run].checkpoint, params.runs[schedule.run].steps
    _, model = _diffusion_model_of(params, source, f"schedules.{run.schedule}.checkpoint")
    if model.noise.timesteps != timesteps:
        raise ValueError(f"{owner} is of {model.noise.timesteps} timesteps, but the run's model has {timesteps}")
    most = number_of_steps(timesteps, steps or str(timesteps))
    if isinstance(schedule, VariationalParams):
        if int(run.steps) > most:
            raise ValueError(f"{place}.steps: {run.steps} is more than the {most} that {run.schedule!r} chooses from")
        return
    if int(run.steps) != most:
        raise ValueError(f"{place}.steps: {run.steps} is not the {most} that {run.schedule!r} is searched for")
    if run.seed < schedule.seed + schedule.num_samples and schedule.seed < run.seed + run.num_samples:
        raise ValueError(
            f"{place}.seed: images {run.seed} to {run.seed + run.num_samples - 1} share seeds with the search "
            f"{run.schedule!r}, from {schedule.seed} on; the winner would be its own judge"
        )


def _diffusion_model_of(params: Params, checkpoint: str, place: str) -> tuple[str, DiffusionModelParams]:
    name = params.model_of(checkpoint)
    model = params.models[name]
    if not isinstance(model, DiffusionModelParams):
        raise ValueError(f"{place}: {checkpoint!r} is of kind {model.kind!r}, not 'diffusion'")
    return name, model


def _respaces(place: str, timesteps: int, steps: str, field: str = "steps") -> None:
    try:
        number_of_steps(timesteps, steps)
    except ValueError as error:
        raise ValueError(f"{place}.{field}: {str(error).removeprefix('steps: ')}") from error


def _place(params: Params, run: str) -> str:
    sections: dict[str, Collection[str]] = {
        "runs": params.runs,
        "upsampled_runs": params.upsampled_runs,
        "gan_runs": params.gan_runs,
        "published.samples": params.published.samples,
    }
    return next(f"{name}.{run}" for name, section in sections.items() if run in section)
