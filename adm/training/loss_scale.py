"""Loss scaling, for gradients in float16."""

from adm.params.models import Precision

INITIAL_LOG2_SCALE = 20.0
GROWTH = 1.0e-3
"""What a step without overflow adds to the scale's logarithm; an overflow takes 1 away."""

FLOOR = -20.0
"""The logarithm at which a scale is no longer lowered: what overflows there is not the scale's fault."""


class LossScale:
    """The factor on the loss that keeps float16 gradients from underflowing; 1 in any other precision.

    Source: Micikevicius et al. (2018); Appendix K, "16-bit precision using loss-scaling".
    """

    def __init__(self, precision: Precision) -> None:
        self.active = precision == "float16"
        self.log2 = INITIAL_LOG2_SCALE if self.active else 0.0

    @property
    def factor(self) -> float:
        """The scale."""
        return float(2.0**self.log2)

    def grow(self) -> None:
        """Take note of a step without overflow."""
        if self.active:
            self.log2 += GROWTH

    def shrink(self) -> bool:
        """Take note of an overflow; False where the scale cannot help."""
        if not self.active or self.log2 <= FLOOR:
            return False
        self.log2 -= 1
        return True
