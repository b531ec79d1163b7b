"""What every update shares: its report, the rate of the moving average, the loss scale, checks for NaN and infinity."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adm.config.models import Precision
from adm.errors import NotFiniteError
from adm.nets.weights import first_not_finite

INITIAL_LOG2_SCALE = 20.0
GROWTH = 1.0e-3
"""A step without overflow adds this to the scale's binary logarithm; an overflow subtracts 1."""

FLOOR = -20.0
"""The scale's smallest binary logarithm: an overflow at this scale has another cause."""


@dataclass(frozen=True)
class Report:
    """Measurements of a step: `step` is the number of updates made so far, `values` are means over the batch."""

    step: int
    values: Mapping[str, float]


def warmed_up(rate: float, step: int) -> float:
    """Compute the rate of an update, lower at first: a short average soon forgets the untrained weights.

    Args:
        rate: The final rate, in [0, 1); it is reached after about 9 / (1 - rate) updates.
        step: The number of updates made before.

    Returns:
        min(rate, (1 + step) / (10 + step)).

    Source: `num_updates` of TensorFlow's `tf.train.ExponentialMovingAverage`; Karras et al. (2022) also ramp it up.
    """
    return min(rate, (1 + step) / (10 + step))


class LossScale:
    """A factor on the loss that keeps float16 gradients from underflow; 1 in any other precision.

    Source: Micikevicius et al. (2018); Appendix K, "16-bit precision using loss-scaling".
    """

    def __init__(self, precision: Precision) -> None:
        self.active = precision == "float16"
        self.log2 = INITIAL_LOG2_SCALE if self.active else 0.0

    @property
    def factor(self) -> float:
        """The factor on the loss."""
        return float(2.0**self.log2)

    def grow(self) -> None:
        """Record a step without overflow."""
        if self.active:
            self.log2 += GROWTH

    def shrink(self) -> bool:
        """Lower the scale after an overflow; False if it cannot go lower."""
        if not self.active or self.log2 <= FLOOR:
            return False
        self.log2 -= 1
        return True


def descend(optimizer: torch.optim.Optimizer, loss: Tensor, network: nn.Module, what: str) -> None:
    """Update a network in place by the gradients of a loss, a single value.

    `what` names the iteration and the loss in the error.

    Raises:
        NotFiniteError: The loss or a gradient is NaN or infinite; names the loss and the first such tensor.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.get_total_norm([weight.grad for weight in network.parameters() if weight.grad is not None])
    if not torch.isfinite(norm + loss.detach()):
        place = where_not_finite(network)
        raise NotFiniteError(f"{what} {float(loss.detach())} with a non-finite gradient, {place}; lower learning rates")
    optimizer.step()


def where_not_finite(network: nn.Module) -> str:
    """Name, in a phrase, the first tensor whose gradient holds NaN or infinity."""
    parameters = network.named_parameters()
    first = first_not_finite({name: weight.grad for name, weight in parameters if weight.grad is not None})
    return f"first in {first}" if first else "in its norm alone"
