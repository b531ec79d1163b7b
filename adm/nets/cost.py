"""What a network costs: its parameters and the floating-point operations of a forward pass, without one weight."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from adm.nets.classifier import Classifier
from adm.nets.layers import GroupNorm
from adm.nets.unet import UNet, Upsampler
from adm.nets.weights import output_channels
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UpsamplerModelParams
from adm.params.networks import ClassifierParams, UNetParams, UpsamplerParams

NetworkModelParams = DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams
NetworkParams = UNetParams | UpsamplerParams | ClassifierParams


def parameter_count(model: NetworkModelParams) -> int:
    """The number of a model's parameters. Source: "Model size" in Tables 11-13."""
    return network_parameter_count(model.network, _out_channels(model))


def forward_flops(model: NetworkModelParams) -> int:
    """Floating-point operations of a model's forward pass on one image; see `network_forward_flops`."""
    return network_forward_flops(model.network, _out_channels(model))


def network_parameter_count(network: NetworkParams, out_channels: int | None = None) -> int:
    """The number of a network's parameters; `out_channels` as in `network_forward_flops`."""
    return _cost(network, out_channels).parameters


def network_forward_flops(network: NetworkParams, out_channels: int | None = None) -> int:
    """Floating-point operations of a network's forward pass on one image.

    A multiply-add counts as two, the bias of a convolution of images as one, and nothing else counts. All five
    theoretical throughputs of Table 7 come out as printed; without the biases the first would print as 182.4.

    Args:
        network: The section of a UNet, an upsampler or a classifier.
        out_channels: Output channels of a UNet or an upsampler; a classifier has none. None stands for twice those of
            an image: all of the paper's networks learn the variance, too.

    Source: Appendix B.1, the theoretical FLOPs of Table 7.
    """
    cost = _cost(network, out_channels)
    return cost.product_flops + cost.bias_flops


def network_product_flops(network: NetworkParams, out_channels: int | None = None) -> int:
    """As `network_forward_flops`, but of products alone."""
    return _cost(network, out_channels).product_flops


class _Cost(NamedTuple):
    parameters: int
    product_flops: int
    bias_flops: int


def _cost(network: NetworkParams, out_channels: int | None) -> _Cost:
    if out_channels is None:
        out_channels = 2 * network.image_channels
    # Dropout costs nothing, and without it several of the paper's networks are one.
    return _cost_of(type(network), network.model_copy(update={"dropout": 0.0}).model_dump_json(), out_channels)


@cache
def _cost_of(section: type[NetworkParams], description: str, out_channels: int) -> _Cost:
    network = section.model_validate_json(description)
    module = _on_meta(network, out_channels)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    _drop_norms(module)
    biases = _count_biases(module)
    arguments, named = _inputs(network)
    # The counter knows the products of the plain attention, not those of every fused kernel.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(*arguments, **named)
    return _Cost(parameters, int(counter.get_total_flops()) + _unprojected_flops(network), sum(biases))


def _on_meta(network: NetworkParams, out_channels: int) -> nn.Module:
    with torch.device("meta"):
        if isinstance(network, ClassifierParams):
            return Classifier(network)
        if isinstance(network, UpsamplerParams):
            return Upsampler(network, out_channels)
        return UNet(network, out_channels)


def _drop_norms(module: nn.Module) -> None:
    """Put identities in place of normalisations: they do not count, and would take most of the counting's time."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, GroupNorm):
                setattr(parent, name, nn.Identity())


def _count_biases(module: nn.Module) -> list[int]:
    """A list that a forward pass fills: the elements that each convolution adds a bias to."""
    added: list[int] = []
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.bias is not None:
            child.register_forward_hook(lambda _module, _inputs, output: added.append(output.numel()))
    return added


def _inputs(network: NetworkParams) -> tuple[list[Tensor], dict[str, Tensor]]:
    """What the network's forward pass takes, for one image."""
    with torch.device("meta"):
        arguments = [torch.empty(1, network.image_channels, network.image_size, network.image_size), torch.empty(1)]
        if isinstance(network, ClassifierParams):
            return arguments, {}
        if network.num_classes is not None:
            arguments.append(torch.empty(1, dtype=torch.int64))
        if isinstance(network, UpsamplerParams):
            side = network.low_resolution
            return arguments, {"low_resolution": torch.empty(1, network.image_channels, side, side)}
        return arguments, {}


def _unprojected_flops(network: NetworkParams) -> int:
    """What the paper's attention pooling computes and ours does not.

    Only the mean token's logits are used. The paper's networks project all tokens to logits and drop the others';
    ours projects the one. The paper's count is of the paper's networks.
    """
    if isinstance(network, ClassifierParams) and network.pooling == "attention":
        dropped_tokens = network.resolutions[-1] ** 2
        return 2 * dropped_tokens * network.level_channels[-1] * network.num_classes
    return 0


def _out_channels(model: NetworkModelParams) -> int | None:
    """Output channels of a model's network, of which a classifier's takes no note."""
    return None if isinstance(model, ClassifierModelParams) else output_channels(model)
