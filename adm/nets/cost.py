"""Cost of a network: its parameters and the floating-point operations of a forward pass, counted without weights."""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from adm.config.models import AnyModel
from adm.config.networks import ClassifierParams, UNetParams, UpsamplerParams
from adm.nets.layers import GroupNorm
from adm.nets.weights import NetworkParams, network_of, output_channels


class Cost(NamedTuple):
    """Parameters of a network, and floating-point operations of its forward pass on one image.

    A multiply-add counts as two operations, a bias added by a convolution over images as one; nothing else counts.
    This reproduces all five theoretical throughputs of Table 7; without the biases the first would print as 182.4.

    Source: Appendix B.1, the theoretical FLOPs of Table 7; "Model size" in Tables 11-13.
    """

    parameters: int
    product_flops: int
    bias_flops: int

    @property
    def flops(self) -> int:
        """All operations."""
        return self.product_flops + self.bias_flops


def network_cost(model: AnyModel) -> Cost:
    """Count the parameters and operations of a model's network."""
    # Dropout costs nothing; without it, several of the paper's networks are the same and are counted once.
    description = model.network.model_copy(update={"dropout": 0.0}).model_dump_json()
    return _cost(type(model.network), description, output_channels(model))


@cache
def _cost(section: type[NetworkParams], description: str, out_channels: int) -> Cost:
    network = section.model_validate_json(description)
    with torch.device("meta"):
        module = network_of(network, out_channels)
        sides = {"x": network.image_size}
        if isinstance(network, UpsamplerParams):
            sides["low_resolution"] = network.low_resolution
        seen = {name: torch.empty(1, network.image_channels, side, side) for name, side in sides.items()}
        seen["t"] = torch.empty(1)
        if isinstance(network, UNetParams) and network.num_classes is not None:
            seen["y"] = torch.empty(1, dtype=torch.int64)
    cost = counted(module, **seen)
    if isinstance(network, ClassifierParams):
        # Only the logits of the mean token are used. The paper's networks project all tokens to logits and drop the
        # rest; ours project only this token. The paper counts its own networks.
        dropped = 2 * network.resolutions[-1] ** 2 * network.level_channels[-1] * network.num_classes
        return cost._replace(product_flops=cost.product_flops + dropped)
    return cost


def counted(module: nn.Module, **seen: Tensor) -> Cost:
    """Count a module's forward pass of what it is given, an image of each."""
    parameters = sum(parameter.numel() for parameter in module.parameters())
    biases: list[int] = []
    for child in module.modules():
        if isinstance(child, GroupNorm):
            # Normalisations do not count, but would take most of the time.
            child.forward = lambda input: input  # type: ignore[method-assign]
        elif isinstance(child, nn.Conv2d) and child.bias is not None:
            child.register_forward_hook(lambda _module, _inputs, output: biases.append(output.numel()))
    # The counter knows the products of plain attention, but not of every fused kernel.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(**seen)
    return Cost(parameters, int(counter.get_total_flops()), sum(biases))
