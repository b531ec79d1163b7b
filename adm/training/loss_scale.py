"""Loss scaling for gradients in float16."""

from adm.config.models import Precision

INITIAL_LOG2_SCALE = 20.0
GROWTH = 1.0e-3
"""A step without overflow adds this to the scale's binary logarithm; an overflow subtracts 1."""

FLOOR = -20.0
"""The scale's smallest binary logarithm: an overflow at this scale has another cause."""


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
