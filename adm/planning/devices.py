"""Speeds of accelerators and processors, from data sheets, publications and measurements."""

from dataclasses import dataclass

from adm.report.compute import SECONDS_PER_DAY, V100_FLOPS, utilisation


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


V100 = Device("V100", V100_FLOPS, 15.7e12)
"""Source: Appendix B.1 for half precision (the data sheet of the SXM2 has 125e12), NVIDIA V100 data sheet, SXM2."""

A100 = Device("A100", 312.0e12, 19.5e12)
"""Source: NVIDIA A100 data sheet, SXM."""

H100 = Device("H100", 989.5e12, 67.0e12)
"""Source: NVIDIA H100 data sheet, SXM; for half precision it prints 1,979e12 with sparsity, twice this value."""

DEVICES = (V100, A100, H100)

CLASSIFIER_SHARE = 0.11
"""Share of a V100's peak in training a classifier: with it, Table 12's iterations give the days of Table 10."""

SINGLE_SHARE = 0.6
"""Share of a device's float32 peak that a network reaches. An assumption, because nothing is published."""

GRAPH_FLOPS = 11.426e9
"""Operations of the 2015 Inception graph's products for one image; a multiply-add counts as two."""

HASH_RATE = 0.9e9
"""Bytes per second of sha256, measured on one core of an x86-64 server."""

FLOPS_OF_A_THREAD = 22.5e9
"""Float64 operations per second of a matrix product, measured on the same core; float32 is twice as fast."""

DECODING, RESIZING = 2.0e-3, 1.33e-8
"""Seconds to decode a JPEG of 500x375, and to crop it per pixel of the square, measured on the same core."""


def published_share(forward_flops: float) -> float:
    """The share of an A100's peak that others published for training the 64x64 network, in (0, 1).

    Args:
        forward_flops: Floating-point operations of that network's forward pass.

    Source: NVlabs/edm, README: 2500 million images in about 13 days on 32 A100, at a batch of 4096 in float16.
    """
    images_per_second = 2500.0e6 / (13 * SECONDS_PER_DAY) / 32
    return utilisation(images_per_second, forward_flops, A100.half_flops)
