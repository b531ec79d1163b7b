"""Whether an update may be made: one of numbers that are not finite would spoil all that come after it."""

import torch
from torch import Tensor, nn

from adm.nets.weights import first_not_finite
from adm.params.errors import NotFiniteError


def require_finite_step(what: str, loss: Tensor, network: nn.Module) -> None:
    """Refuse a loss or a gradient that is NaN or infinite.

    Args:
        what: The iteration and the loss, as an error calls them.
        loss: A single value.
        network: Whose gradients were just computed.

    Raises:
        NotFiniteError: Names the loss and the first tensor whose gradient is not finite.
    """
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in network.parameters() if weight.grad is not None])
    if not torch.isfinite(norm + loss.detach()):
        place = where_not_finite(network)
        raise NotFiniteError(f"{what} {float(loss.detach())} with a non-finite gradient, {place}; lower learning rates")


def where_not_finite(network: nn.Module) -> str:
    """Where a gradient first holds NaN or infinity, in words."""
    parameters = network.named_parameters()
    first = first_not_finite({name: weight.grad for name, weight in parameters if weight.grad is not None})
    return f"first in {first}" if first else "in its norm alone"
