"""Networks from the params file, and their weights from safetensors files."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from adm.nets.classifier import Classifier
from adm.nets.unet import UNet, Upsampler
from adm.params.errors import UserError, brief
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UpsamplerModelParams


def build(model: DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams) -> nn.Module:
    """The network of a model, freshly initialised from torch's global generator."""
    if isinstance(model, ClassifierModelParams):
        return Classifier(model.network)
    channels = 6 if model.noise.variance == "learned_range" else 3
    if isinstance(model, UpsamplerModelParams):
        return Upsampler(model.network, channels)
    return UNet(model.network, channels)


def load_weights(network: nn.Module, path: Path) -> None:
    """Read a network's weights.

    Raises:
        UserError: The file is missing, unreadable, or holds the weights of another network.
    """
    network.load_state_dict(read_tensors(path, network.state_dict()))


def read_tensors(path: Path, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read tensors that must have the names, shapes and dtypes of `like`; in its order.

    Raises:
        UserError: The file is missing or unreadable, or its tensors differ, of which it names up to three, or
            one holds NaN or infinity.
    """
    try:
        tensors = load_file(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: does not exist") from error
    except Exception as error:  # damaged bytes make the library raise more than its own error
        raise UserError(f"{path}: is no readable safetensors file ({brief(error)})") from error
    found = {name: _kind(tensor) for name, tensor in tensors.items()}
    wanted = {name: _kind(tensor) for name, tensor in like.items()}
    different = [name for name in dict.fromkeys([*wanted, *found]) if found.get(name) != wanted.get(name)]
    if different:
        lines = [
            f"{name} is {found.get(name, 'missing')}, not {wanted.get(name, 'expected')}" for name in different[:3]
        ]
        raise UserError(f"{path}: is of another architecture; {len(different)} tensors differ: {'; '.join(lines)}")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(f"{path}: {name} holds NaN or infinity")
    return {name: tensors[name] for name in like}


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
