"""`schedule`: the timesteps that runs visit, found by the variational bound or by a search on FID."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from torch import nn

from adm.artifacts.manifest import MadeBy, identity, read_manifest
from adm.config.data import GraphParams
from adm.config.respacing import respaced_timesteps, rounds_of
from adm.data.batches import check_labels, choose
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.errors import UserError, about
from adm.metrics.batches import GRAPH, graph_of, read_reference
from adm.metrics.executors import open_graph
from adm.metrics.frechet import frechet_distance
from adm.metrics.statistics import feature_statistics
from adm.nets.checkpoints import load_network
from adm.parallel import resolve_device
from adm.params.models import ClassifierModelParams, DiffusionModelParams
from adm.params.runs import RunParams
from adm.params.studies import AnyScheduleParams, VariationalParams
from adm.sampling.batch import Images, Samples
from adm.sampling.blocks import WHOLE, blocks_of
from adm.sampling.found_schedules import VariationalSchedules, draw_members, halving, searched
from adm.sampling.guided import block_sampler, class_count
from adm.sampling.likelihood import CHOICE, least_bounds
from adm.sampling.store import BlockStore, block_store
from adm.sampling.studies import write_study


def run(
    schedule: AnyScheduleParams,
    model: DiffusionModelParams,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
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
        write_study(out, _by_bound(schedule, model, network, inputs), made_by)
        return
    assert run is not None
    assert extractor is not None
    place = resolve_device(device)
    classifier = load_network(inputs["classifier"], classifier_model, place) if classifier_model else None
    networks = model, network, classifier, class_count(model, classifier_model) or 1
    read_manifest(inputs["graph"])
    if graph_of(inputs["reference"]) not in (None, identity(inputs["graph"])):
        raise UserError(f"{inputs['reference']}: is of another graph than {inputs['graph']}")
    real, *_ = read_reference(inputs["reference"])
    total, most = len(respaced_timesteps(model.noise.timesteps, run.steps)), model.noise.timesteps // schedule.sections
    candidates = draw_members(schedule.seed, schedule.candidates, total, schedule.sections, most, schedule.known)
    like = run.model_copy(update={"seed": schedule.seed, "num_samples": schedule.num_samples})
    with block_store(work, {**made_by, "device": device}) as store:
        with about(f"{inputs['checkpoint']} through {inputs['graph']}"):
            executor = open_graph(extractor, inputs["graph"] / GRAPH, device)

            def fid(steps: str, count: int) -> float:
                # The store numbers the blocks of all candidates through.
                first = candidates.index(steps) * len(blocks_of(WHOLE, like.num_samples, like.micro_batch))
                sampled = block_sampler(like.model_copy(update={"steps": steps}), *networks)
                images = _first_images(store, sampled, first, count, like.micro_batch)
                features = executor.features(images, extractor.feature_batch)
                return frechet_distance(real, feature_statistics(features.pool))

            trials = halving(candidates, rounds_of(schedule.candidates, schedule.num_samples), fid)
        write_study(out, searched(trials, model.noise.timesteps), made_by)


def _first_images(
    store: BlockStore, sampled: Callable[[int], Samples], first: int, count: int, size: int
) -> Iterator[Images]:
    """Yield the first `count` images of a candidate, whose blocks are in the store from number `first` on.

    Blocks that are there are not sampled again.
    """
    blocks = blocks_of(WHOLE, count, size)
    store.fill([first + block for block in blocks], lambda number: sampled(number - first))
    for block in blocks:
        yield store.read(first + block).images[: count - block * size]


def _by_bound(
    schedule: VariationalParams, model: DiffusionModelParams, network: nn.Module, inputs: dict[str, Path]
) -> VariationalSchedules:
    data = ImageShards(inputs["data"], model.network.image_size, parts=(schedule.part,))
    check_labels(data, model.network.num_classes, inputs["data"])
    chosen = choose(schedule.seed, CHOICE, data, schedule.num_images, inputs["data"])
    try:
        return least_bounds(schedule, model, network, data, np.sort(chosen))
    except ValueError as error:
        raise UserError(f"{inputs['checkpoint']}: {error}, in {schedule.precision}") from error
