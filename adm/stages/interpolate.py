"""`interpolate`: images between real ones in DDIM's latent space, and the error of reconstructing from it."""

from pathlib import Path

from adm.data.batches import to_uint8
from adm.data.chosen import check_labels, choose
from adm.data.shards import ImageShards
from adm.determinism import settle
from adm.nets.checkpoints import load_network
from adm.nets.unet import UNet
from adm.parallel import placed
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams
from adm.params.studies import InterpolationParams
from adm.sampling.interpolation import LatentSpace, between, computed, conditioned
from adm.sampling.studies import Interpolation, write_interpolation

PAIRS, RECONSTRUCTIONS = 0, 1
"""Streams of the study's seed: which images are joined, and which are measured."""


def run(
    interpolation: InterpolationParams,
    model: DiffusionModelParams,
    classifier_model: ClassifierModelParams | UniformModelParams,
    inputs: dict[str, Path],
    out: Path,
    device: str = "cpu",
) -> None:
    """Interpolate between random images; `inputs` are "checkpoint", "classifier" and "data".

    Raises:
        UserError: The dataset has too few images, or labels that are no class of the networks.
    """
    settle(interpolation.threads)
    network = load_network(inputs["checkpoint"], model, placed(device))
    assert isinstance(network, UNet)
    classifier = load_network(inputs["classifier"], classifier_model, placed(device))
    space = LatentSpace.of(interpolation, model, network, classifier)
    data = ImageShards(inputs["data"], model.network.image_size)
    num_classes = _num_classes(model, classifier_model, data, inputs["data"])
    pairs, points, micro_batch = interpolation.pairs, interpolation.points, interpolation.micro_batch
    ends = choose(interpolation.seed, PAIRS, data, 2 * pairs, inputs["data"])
    measured = choose(interpolation.seed, RECONSTRUCTIONS, data, interpolation.reconstructions, inputs["data"])

    joined, alone = (conditioned(data, rows, num_classes, model.network.image_channels) for rows in (ends, measured))
    images = to_uint8(between(space, *joined, points, micro_batch))
    errors = computed(space.errors, space.device, micro_batch, *alone).numpy()
    study = Interpolation(
        originals=data[ends].reshape(pairs, 2, *images.shape[1:]),
        images=images.reshape(pairs, points, *images.shape[1:]),
        labels=data.labels[ends].reshape(pairs, 2),
        error_all_but_last=errors[:, 0],
        error_all=errors[:, 1],
    )
    write_interpolation(out, interpolation, inputs, study)


def _num_classes(
    model: DiffusionModelParams,
    classifier_model: ClassifierModelParams | UniformModelParams,
    data: ImageShards,
    place: Path,
) -> int:
    num_classes = model.network.num_classes
    if num_classes is None and isinstance(classifier_model, ClassifierModelParams):
        num_classes = classifier_model.network.num_classes
    check_labels(data, num_classes, place)
    return num_classes or int(data.labels.max()) + 1
