"""`interpolate`: images between real ones in DDIM's latent space, and errors of reconstruction."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from adm.artifacts.manifest import MadeBy
from adm.data.batches import choose, to_uint8, to_unit_range
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.nets.checkpoints import load_network
from adm.parallel import resolve_device
from adm.params.models import ClassifierModelParams, DiffusionModelParams
from adm.params.runs import InterpolationParams
from adm.sampling.guided import class_count
from adm.sampling.interpolation import LatentSpace, interpolate
from adm.sampling.studies import Interpolation, write_study

PAIRS, RECONSTRUCTIONS = 0, 1
"""Random streams of the study's seed: one chooses the pairs, the other the images for reconstruction."""


def run(
    interpolation: InterpolationParams,
    model: DiffusionModelParams,
    classifier_model: ClassifierModelParams | None,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
    device: str = "cpu",
) -> None:
    """Interpolate between random images; `inputs` are "checkpoint", "data" and, with guidance, "classifier".

    Raises:
        UserError: The dataset has too few images.
    """
    make_deterministic(interpolation.threads)
    place = resolve_device(device)
    network = load_network(inputs["checkpoint"], model, place)
    classifier = load_network(inputs["classifier"], classifier_model, place) if classifier_model else None
    space = LatentSpace.of(interpolation, model, network, classifier)
    data = ImageShards(inputs["data"], model.network.image_size)
    num_classes = class_count(model, classifier_model) or int(data.labels.max()) + 1
    pairs, points, micro_batch = interpolation.pairs, interpolation.points, interpolation.micro_batch
    ends = choose(interpolation.seed, PAIRS, data, 2 * pairs, inputs["data"])
    measured = choose(interpolation.seed, RECONSTRUCTIONS, data, interpolation.reconstructions, inputs["data"])

    def conditioned(rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        weights = one_hot(torch.from_numpy(data.labels[rows]), num_classes).float()
        return to_unit_range(data[rows], model.network.image_channels), weights

    images = to_uint8(interpolate(space, *conditioned(ends), points, micro_batch))
    errors = space.in_batches(space.errors, micro_batch, *conditioned(measured)).numpy()
    study = Interpolation(
        originals=data[ends].reshape(pairs, 2, *images.shape[1:]),
        images=images.reshape(pairs, points, *images.shape[1:]),
        labels=data.labels[ends].reshape(pairs, 2),
        error_all_but_last=errors[:, 0],
        error_all=errors[:, 1],
        error_skipped=errors[:, 2],
    )
    write_study(out, study, made_by)
