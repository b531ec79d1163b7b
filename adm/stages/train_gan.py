"""`train_gan`: a class-conditional GAN, trained whole; its averaged generator is what remains."""

import math
from pathlib import Path

from safetensors.torch import save_file

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.determinism import settle
from adm.nets.gan import WEIGHTS
from adm.params.data import DatasetParams
from adm.params.errors import UserError
from adm.params.gans import GanParams
from adm.training.gan import initial_networks, train_gan
from adm.training.log import logged
from adm.training.report import Report


def run(gan: GanParams, dataset: DatasetParams, data: Path, out: Path, curves: Path, every: int) -> None:
    """Train on the prepared dataset `data`; losses go to the folder `curves`, a mean of `every` iterations each.

    Raises:
        UserError: A loss is not finite.
    """
    settle(gan.threads)
    images = ImageShards(data, dataset.image_size)
    made_by = provenance("train_gan", {"gan": gan}, {"data": data}, ["torch", "safetensors"])
    networks = initial_networks(gan, dataset.image_size, dataset.num_classes)
    batches = Batches(images, dataset.image_size, gan.batch_size, crop="centre", flip=False, seed=gan.seed)
    steps = train_gan(gan, networks, dataset.num_classes, batches)
    reports = (Report(iteration, losses) for iteration, losses in enumerate(steps, start=1))
    for report in logged(reports, curves / "log.csv", 0, gan.iterations, every, gan.batch_size, curves):
        for name, loss in report.values.items():
            if not math.isfinite(loss):
                raise UserError(f"train_gan: iteration {report.step}: {name} is {loss}; lower the learning rates")
    with new_folder(out) as folder:
        save_file(networks.averaged.state_dict(), folder / WEIGHTS)
        # The library makes files that only their owner can read; an artifact is there to be shared.
        (folder / WEIGHTS).chmod(0o644)
        write_manifest(folder, made_by, {"iterations": gan.iterations})
