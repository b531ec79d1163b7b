"""`interpolate`: images between real ones in DDIM's latent space, and errors of reconstruction."""

from pathlib import Path

from adm.data.batches import check_labels, choose, to_uint8
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.nets.checkpoints import load_network
from adm.nets.unet import UNet
from adm.parallel import resolve_device
from adm.params.models import ClassifierModelParams, DiffusionModelParams
from adm.params.studies import InterpolationParams
from adm.sampling.guided import class_count
from adm.sampling.interpolation import LatentSpace, compute_in_batches, interpolate, load_conditioned
from adm.sampling.studies import Interpolation, write_study

PAIRS, RECONSTRUCTIONS = 0, 1
"""Random streams of the study's seed: one chooses the pairs, the other the images for reconstruction."""


def run(
    interpolation: InterpolationParams,
    model: DiffusionModelParams,
    classifier_model: ClassifierModelParams | None,
    inputs: dict[str, Path],
    out: Path,
    device: str = "cpu",
) -> None:
    """Interpolate between random images; `inputs` are "checkpoint", "data" and, with guidance, "classifier".

    Raises:
        UserError: The dataset has too few images, or labels that the networks do not have.
    """
    make_deterministic(interpolation.threads)
    network = load_network(inputs["checkpoint"], model, resolve_device(device))
    assert isinstance(network, UNet)
    classifier = None
    if classifier_model is not None:
        classifier = load_network(inputs["classifier"], classifier_model, resolve_device(device))
    space = LatentSpace.of(interpolation, model, network, classifier)
    data = ImageShards(inputs["data"], model.network.image_size)
    declared = class_count(model, classifier_model)
    check_labels(data, declared, inputs["data"])
    num_classes = declared or int(data.labels.max()) + 1
    pairs, points, micro_batch = interpolation.pairs, interpolation.points, interpolation.micro_batch
    ends = choose(interpolation.seed, PAIRS, data, 2 * pairs, inputs["data"])
    measured = choose(interpolation.seed, RECONSTRUCTIONS, data, interpolation.reconstructions, inputs["data"])

    joined, alone = (
        load_conditioned(data, rows, num_classes, model.network.image_channels) for rows in (ends, measured)
    )
    images = to_uint8(interpolate(space, *joined, points, micro_batch))
    errors = compute_in_batches(space.errors, space.device, micro_batch, *alone).numpy()
    study = Interpolation(
        originals=data[ends].reshape(pairs, 2, *images.shape[1:]),
        images=images.reshape(pairs, points, *images.shape[1:]),
        labels=data.labels[ends].reshape(pairs, 2),
        error_all_but_last=errors[:, 0],
        error_all=errors[:, 1],
        error_skipped=errors[:, 2],
    )
    write_study(out, study, inputs, interpolation=interpolation)
