"""Peak speeds of accelerators, from their data sheets."""

from dataclasses import dataclass

from adm.config.models import Precision
from adm.report.compute import V100_FLOPS


@dataclass(frozen=True)
class Device:
    """An accelerator.

    Attributes:
        name: Its name.
        driver_name: A part of the name that its driver gives it, which no slower model has.
        half_flops: Peak of dense products in half precision, in floating-point operations per second.
        single_flops: Peak in float32, without TensorFloat-32, in the same unit.
        tf32_flops: Peak in TensorFloat-32; that of float32 where a device has none.
    """

    name: str
    driver_name: str
    half_flops: float
    single_flops: float
    tf32_flops: float


V100 = Device("V100", "V100-SXM2", V100_FLOPS, 15.7e12, 15.7e12)
"""Source: Appendix B.1 for half precision (the data sheet of the SXM2 has 125e12), NVIDIA V100 data sheet, SXM2."""

A100 = Device("A100", "A100", 312.0e12, 19.5e12, 156.0e12)
"""Source: NVIDIA A100 data sheet, SXM; the PCIe card has the same peaks."""

H100 = Device("H100", "H100 80GB HBM3", 989.5e12, 67.0e12, 494.5e12)
"""Source: NVIDIA H100 data sheet, SXM; in half precision and TensorFloat-32 it prints 1,979e12 and 989e12 with
sparsity, twice these values."""

DEVICES = (V100, A100, H100)


def peak_flops(driver_name: str, precision: Precision) -> float | None:
    """The peak of a device in a precision, in floating-point operations per second; None if it is not known here."""
    for device in DEVICES:
        if device.driver_name in driver_name:
            peaks = {"float32": device.single_flops, "tf32": device.tf32_flops}
            return peaks.get(precision, device.half_flops)
    return None
