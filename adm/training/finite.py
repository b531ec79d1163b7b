"""Checks before an update: a single NaN or infinity would spoil all later updates."""

import torch
from torch import Tensor, nn

from adm.errors import NotFiniteError
from adm.nets.weights import first_not_finite


def require_finite_step(what: str, loss: Tensor, network: nn.Module) -> None:
    """Refuse a loss or a gradient that is NaN or infinite.

    Args:
        what: Names the iteration and the loss in the error.
        loss: A single value.
        network: The network, after its backward pass.

    Raises:
        NotFiniteError: The loss or a gradient is not finite; names the loss and the first such tensor.
    """
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in network.parameters() if weight.grad is not None])
    if not torch.isfinite(norm + loss.detach()):
        place = where_not_finite(network)
        raise NotFiniteError(f"{what} {float(loss.detach())} with a non-finite gradient, {place}; lower learning rates")


def where_not_finite(network: nn.Module) -> str:
    """A phrase that names the first tensor whose gradient holds NaN or infinity."""
    parameters = network.named_parameters()
    first = first_not_finite({name: weight.grad for name, weight in parameters if weight.grad is not None})
    return f"first in {first}" if first else "in its norm alone"
