"""Compute in the paper's units: throughput and V100-days, and the peaks of accelerators."""

from dataclasses import dataclass

PASSES = 3
"""Cost of a training step in forward passes: one forward pass, and a backward pass of twice its operations."""

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Device:
    """An accelerator.

    Attributes:
        name: Its name.
        half_flops: Peak of dense products in half precision, in floating-point operations per second.
        single_flops: Peak in float32, without TensorFloat-32, in the same unit.
    """

    name: str
    half_flops: float
    single_flops: float


V100 = Device("V100", 120.0e12, 15.7e12)
"""Source: Appendix B.1 for half precision (the data sheet of the SXM2 has 125e12), NVIDIA V100 data sheet, SXM2."""

A100 = Device("A100", 312.0e12, 19.5e12)
"""Source: NVIDIA A100 data sheet, SXM; the PCIe card has the same peaks."""

H100 = Device("H100", 989.5e12, 67.0e12)
"""Source: NVIDIA H100 data sheet, SXM; in half precision it prints 1,979e12 with sparsity, twice this value."""

DEVICES = (V100, A100, H100)


def theoretical_throughput(forward_flops: float, peak: float = V100.half_flops) -> float:
    """Compute training images per second at full utilisation.

    Args:
        forward_flops: Floating-point operations of a forward pass on one image, at least 1.
        peak: Floating-point operations per second of the machine.

    Source: Appendix B.1, the theoretical rows of Table 7.
    """
    return peak / (PASSES * forward_flops)
