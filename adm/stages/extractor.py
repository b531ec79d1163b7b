"""`extractor`: a small classifier of a dataset, frozen into a graph with the 2015 Inception graph's tensor names."""

import logging
from pathlib import Path

from adm.artifacts.manifest import MadeBy, write_manifest
from adm.artifacts.writing import new_folder, remove_folder
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.errors import UserError
from adm.metrics.batches import GRAPH, JUDGE
from adm.metrics.small_extractor import freeze
from adm.nets.weights import require_finite
from adm.params.data import DatasetParams, ExtractorParams
from adm.training.extractor import accuracy, examples, initial_network, split, train_extractor
from adm.training.log import log_reports
from adm.training.updates import Report

logger = logging.getLogger(__name__)


def run(
    extractor: ExtractorParams,
    dataset: DatasetParams,
    data: Path,
    out: Path,
    made_by: MadeBy,
    work: Path,
    every: int,
) -> None:
    """Train, measure the held-out accuracy and freeze; the journal tells the mean loss of every `every` iterations.

    Raises:
        UserError: The held-out accuracy is below `least_accuracy`, or a loss, a gradient or a weight is not finite.
    """
    make_deterministic(extractor.threads)
    shards = ImageShards(data, dataset.side, threads=extractor.threads)
    train, unseen = split(extractor, len(shards))
    if not len(unseen) or not len(train):
        raise UserError(f"extractor: held_out {extractor.held_out} of {len(shards)} images leaves no image on one side")
    network = initial_network(extractor, dataset.num_classes)
    steps = train_extractor(extractor, network, *examples(extractor, shards[train], shards.labels[train]))
    reports = (Report(step, {"loss": loss}) for step, loss in enumerate(steps, start=1))
    for _ in log_reports(reports, work / "log.csv", 0, extractor.iterations, every, extractor.batch_size):
        pass
    require_finite("extractor", network.state_dict())
    held_out = accuracy(network, *examples(extractor, shards[unseen], shards.labels[unseen]))
    logger.info("held-out accuracy %.4f on %d images", held_out, len(unseen))
    if held_out < extractor.least_accuracy:
        raise UserError(
            f"extractor: its held-out accuracy {held_out:.4f} is below least_accuracy {extractor.least_accuracy}; "
            "train it for more iterations"
        )
    with new_folder(out) as folder:
        (folder / GRAPH).write_bytes(freeze(network))
        judge = {"accuracy": held_out, "chance": 1 / extractor.told(dataset.num_classes), "tells": extractor.learns}
        write_manifest(folder, made_by, {JUDGE: judge, "held_out_images": len(unseen)})
    remove_folder(work)
