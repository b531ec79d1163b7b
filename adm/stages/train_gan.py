"""`train_gan`: trains a class-conditional GAN; the artifact is its averaged generator."""

from pathlib import Path

from adm.artifacts.class_names import fact_of
from adm.artifacts.manifest import MadeBy, write_manifest
from adm.artifacts.writing import new_folder, remove_folder
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.nets.gan import WEIGHTS
from adm.nets.weights import write_tensors
from adm.params.data import DatasetParams
from adm.params.models import GanParams
from adm.training.gan import initial_networks, train_gan
from adm.training.log import log_reports
from adm.training.updates import Report


def run(gan: GanParams, dataset: DatasetParams, data: Path, out: Path, made_by: MadeBy, work: Path, every: int) -> None:
    """Train on the prepared dataset `data`; the journal tells mean losses of every `every` iterations.

    Raises:
        UserError: A loss, a gradient or a weight is not finite.
    """
    make_deterministic(gan.threads)
    side = dataset.side
    images = ImageShards(data, side, threads=gan.threads)
    networks = initial_networks(gan, side, dataset.num_classes, dataset.channels)
    batches = Batches(images, side, gan.batch_size, "centre", flip=False, seed=gan.seed, channels=dataset.channels)
    steps = train_gan(gan, networks, dataset.num_classes, batches)
    reports = (Report(iteration, losses) for iteration, losses in enumerate(steps, start=1))
    for _ in log_reports(reports, work / "log.csv", 0, gan.iterations, every, gan.batch_size):
        pass
    with new_folder(out) as folder:
        write_tensors(folder / WEIGHTS, networks.averaged.state_dict())
        write_manifest(folder, made_by, {"iterations": gan.iterations, **fact_of(images.class_names)})
    remove_folder(work)
