"""`schedule`: the timesteps that runs visit, found by the variational bound or by a search on FID."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import nn

from adm.artifacts.manifest import identity, provenance, read_manifest
from adm.config.data import GraphParams
from adm.config.respacing import respaced_timesteps, rounds_of
from adm.data.batches import check_labels, choose
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.errors import UserError
from adm.metrics.batches import GRAPH, graph_of, read_reference_statistics
from adm.metrics.executors import libraries_of, open_graph
from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import feature_statistics
from adm.nets.checkpoints import load_network
from adm.parallel import resolve_device
from adm.params.models import ClassifierModelParams, DiffusionModelParams
from adm.params.runs import RunParams
from adm.params.schedules import AnyScheduleParams, SearchParams, VariationalParams
from adm.sampling.batch import Images
from adm.sampling.blocks import WHOLE, blocks_of
from adm.sampling.found_schedules import draw_members, halving, searched
from adm.sampling.guided import block_sampler, class_count
from adm.sampling.likelihood import CHOICE
from adm.sampling.store import BlockStore, block_store
from adm.sampling.studies import write_study
from adm.sampling.variational import measure


def run(
    schedule: AnyScheduleParams,
    model: DiffusionModelParams,
    inputs: dict[str, Path],
    out: Path,
    device: str,
    run: RunParams | None,
    classifier_model: ClassifierModelParams | None,
    extractor: GraphParams | None,
    work: Path,
) -> None:
    """Find schedules; the last four arguments are for a search.

    By the bound, `inputs` are "checkpoint" and "data". For a search they are "checkpoint", with guidance "classifier",
    "graph" and "reference". It samples like `run`, and reads what an earlier try sampled from `work`, this
    job's own folder.

    Raises:
        UserError: The dataset has too few images, or labels that the network does not have; a term of the bound is not
            finite; the reference is of another graph; another process does the same search.
    """
    make_deterministic(schedule.threads)
    network = load_network(inputs["checkpoint"], model, resolve_device(device))
    if isinstance(schedule, VariationalParams):
        _by_bound(schedule, model, network, inputs, out)
        return
    assert run is not None
    assert extractor is not None
    classifier = None
    if classifier_model is not None:
        classifier = load_network(inputs["classifier"], classifier_model, resolve_device(device))
    search = _Search(schedule, run, model, network, classifier, class_count(model, classifier_model) or 1)
    read_manifest(inputs["graph"], "extractor", "adopt")
    if graph_of(inputs["reference"]) not in (None, identity(inputs["graph"])):
        raise UserError(f"{inputs['reference']}: is of another graph than {inputs['graph']}")
    real, _ = read_reference_statistics(inputs["reference"])
    sections = {"schedule": schedule, "run": run}
    libraries = ["torch", *libraries_of(extractor)]
    made_by = {**provenance("schedule", sections, inputs, libraries), "device": device}
    with block_store(work, made_by) as store:
        try:
            executor = open_graph(extractor, inputs["graph"] / GRAPH, device)

            def fid(steps: str, images: int) -> float:
                features = executor.features(search.images(store, steps, images), extractor.feature_batch)
                return frechet_distance(real, feature_statistics(features.pool))

            trials = halving(search.candidates, rounds_of(schedule.candidates, schedule.num_samples), fid)
        except ValueError as error:
            raise UserError(f"{inputs['checkpoint']} through {inputs['graph']}: {error}") from error
        write_study(out, searched(trials, model.noise.timesteps), inputs, **sections)


def _by_bound(
    schedule: VariationalParams, model: DiffusionModelParams, network: nn.Module, inputs: dict[str, Path], out: Path
) -> None:
    data = ImageShards(inputs["data"], model.network.image_size, parts=(schedule.part,))
    check_labels(data, model.network.num_classes, inputs["data"])
    chosen = choose(schedule.seed, CHOICE, data, schedule.num_images, inputs["data"])
    try:
        study = measure(schedule, model, network, data, np.sort(chosen))
    except ValueError as error:
        raise UserError(f"{inputs['checkpoint']}: {error}, in {schedule.precision}") from error
    write_study(out, study, inputs, schedule=schedule)


class _Search:
    """The candidates of a search, and the images that they sample."""

    def __init__(
        self,
        schedule: SearchParams,
        like: RunParams,
        model: DiffusionModelParams,
        network: nn.Module,
        classifier: nn.Module | None,
        num_classes: int,
    ) -> None:
        total = len(respaced_timesteps(model.noise.timesteps, like.steps))
        sections, most = schedule.sections, model.noise.timesteps // schedule.sections
        self.candidates: Sequence[str] = draw_members(
            schedule.seed, schedule.candidates, total, sections, most, schedule.known
        )
        self.run = like.model_copy(update={"seed": schedule.seed, "num_samples": schedule.num_samples})
        self.networks = model, network, classifier, num_classes

    def images(self, store: BlockStore, steps: str, count: int) -> Iterator[Images]:
        """Yield the first `count` images of a candidate; blocks of images that are in the store are not sampled again.

        The store numbers the blocks of all candidates through.
        """
        size = self.run.micro_batch
        first = self.candidates.index(steps) * len(blocks_of(WHOLE, self.run.num_samples, size))
        blocks = blocks_of(WHOLE, count, size)
        sampled = block_sampler(self.run.model_copy(update={"steps": steps}), *self.networks)
        store.fill([first + block for block in blocks], lambda number: sampled(number - first))
        for block in blocks:
            yield store.read(first + block).images[: count - block * size]
