"""Networks built from the params file, and their weights in safetensors files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adm.artifacts.reading import readable
from adm.config.models import AnyModel, ClassifierModel
from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.errors import NotFiniteError, UserError, brief
from adm.nets.classifier import Classifier
from adm.nets.unet import UNet

CLASSES, TIME = "class_embedding.weight", "time_embedding.second.bias"
"""The table of classes, and what is added to each of its rows before anything else sees it."""

FIRST, LAST = "encoder.blocks.0.convolution.weight", ("output.2.weight", "output.2.bias")
"""The convolutions that see and make the channels of images."""

NetworkParams = UNetParams | UpsamplerParams | ClassifierParams


def network_of(params: NetworkParams, out_channels: int) -> nn.Module:
    """Build the network of a section; torch's global generator draws its initial weights.

    A classifier has output channels of its own.
    """
    if isinstance(params, ClassifierParams):
        return Classifier(params)
    return UNet(params, out_channels)


def build(model: AnyModel) -> nn.Module:
    """Build the network of a model; torch's global generator draws its initial weights."""
    return network_of(model.network, output_channels(model))


def initial(model: AnyModel) -> nn.Module:
    """Build the network of a model with the initial weights that its seed of them draws."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(model.training.seeds.weights)
        return build(model)


def model_network(model: AnyModel) -> nn.Module:
    """Build the network of a model on the meta device: names and shapes without values."""
    with torch.device("meta"):
        return build(model)


def output_channels(model: AnyModel) -> int:
    """Count output channels: an image's for the noise, as many for a learned variance; a classifier's classes."""
    if isinstance(model, ClassifierModel):
        return model.network.num_classes
    return model.network.image_channels * (2 if model.noise.variance == "learned_range" else 1)


def read_tensors(path: Path, like: Mapping[str, Tensor], widened: bool = False) -> dict[str, Tensor]:
    """Read tensors with exactly the names, shapes and dtypes of `like`, in the order of `like`.

    With `widened`, tensors of half precision become those of `like`.

    Raises:
        UserError: The file is missing or unreadable, a tensor holds NaN or infinity, or tensors differ; the message
            names up to three that differ.
    """
    with readable(path, "is no readable safetensors file"):
        tensors = load_file(path)
    if widened:
        half = (torch.float16, torch.bfloat16)
        tensors = {name: tensor.float() if tensor.dtype in half else tensor for name, tensor in tensors.items()}
    wanted, found = (
        {name: f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}" for name, tensor in named.items()}
        for named in (like, tensors)
    )
    if different := differing(wanted, found):
        raise UserError(f"{path}: is of another architecture; {told_different(different)}")
    require_finite(str(path), tensors)
    return {name: tensors[name] for name in like}


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Write a phrase for each tensor that is of another kind, in the network's order, then in the file's."""
    return [
        f"{name} is {found.get(name, 'missing')}, not {wanted.get(name, 'expected')}"
        for name in dict.fromkeys([*wanted, *found])
        if found.get(name) != wanted.get(name)
    ]


def told_different(different: list[str]) -> str:
    """Say how many tensors differ, and name the first three."""
    return f"{len(different)} tensor{'s differ' if len(different) > 1 else ' differs'}: {'; '.join(different[:3])}"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors as a safetensors file; NaN and infinity are refused, as `read_tensors` refuses them.

    Raises:
        NotFiniteError: A tensor holds NaN or infinity.
        OSError: The file cannot be written.
    """
    require_finite(path.name, tensors)
    stored = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    try:
        save_file(stored, path, metadata)
    except SafetensorError as error:
        raise OSError(brief(error)) from error
    # The library's files are readable only by their owner; artifacts are shared.
    path.chmod(0o644)


def require_finite(place: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse NaN and infinity.

    Raises:
        NotFiniteError: A tensor holds one; names the place and the first such tensor.
    """
    if name := first_not_finite(tensors):
        raise NotFiniteError(f"{place}: {name} holds NaN or infinity")


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name the first tensor that holds NaN or infinity."""
    bad = (name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all())
    return next(bad, None)


def transferred(source: Mapping[str, Tensor], like: Mapping[str, Tensor], keep_classes: bool) -> dict[str, Tensor]:
    """Make a UNet's weights from those of one that differs in its classes or in channels of its images.

    Without `keep_classes` each class begins as the mean of the source's: it lies amid what the network has seen, where
    zero, no class, may be new to it. A network without classes has that mean in its bias. A source's without any is 0.

    A grey image is a colour image of three equal channels, which the first convolution sums; the last one makes their
    mean. Of colours from grey the first sees the mean, and each is made as the grey one.

    Args:
        source: Its weights, by the names of a UNet.
        like: Names and shapes of the other's, on any device.
        keep_classes: Whether it has the classes of the source, as many.

    Returns:
        Float32 tensors with the names and shapes of `like`, in its order; those that do not change are the source's.
    """
    weights = dict(source)
    if not keep_classes:
        table = weights.pop(CLASSES, torch.zeros(1, len(source[TIME])))
        mean = table.double().mean(dim=0).float()
        if CLASSES in like:
            weights[CLASSES] = mean.repeat(len(like[CLASSES]), 1)
        else:
            weights[TIME] = source[TIME] + mean
    seen, channels = source[FIRST].shape[1], like[FIRST].shape[1]
    if seen != channels:
        weights[FIRST] = source[FIRST].sum(dim=1, keepdim=True).repeat(1, channels, 1, 1) / channels
        for name in LAST:
            # Channels of the prediction come first, then those of a learned variance.
            halves = source[name].reshape(-1, seen, *source[name].shape[1:]).mean(dim=1, keepdim=True)
            weights[name] = halves.repeat_interleave(channels, dim=1).flatten(0, 1)
    return {name: weights[name] for name in like}
