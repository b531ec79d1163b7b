"""What accelerators and processors compute a second: by their makers' data sheets, as published, or as measured."""

from dataclasses import dataclass

from adm.report.compute import SECONDS_PER_DAY, V100_FLOPS, utilisation


@dataclass(frozen=True)
class Device:
    """An accelerator.

    Attributes:
        name: What it is called.
        half_flops: Peak of dense products of half precision, in floating-point operations per second.
        single_flops: Peak of float32, without TensorFloat-32.
    """

    name: str
    half_flops: float
    single_flops: float


V100 = Device("V100", V100_FLOPS, 15.7e12)
"""Source: Appendix B.1 for half precision (the data sheet of the SXM2 has 125e12), NVIDIA V100 data sheet, SXM2."""

A100 = Device("A100", 312.0e12, 19.5e12)
"""Source: NVIDIA A100 data sheet, SXM."""

H100 = Device("H100", 989.5e12, 67.0e12)
"""Source: NVIDIA H100 data sheet, SXM; of half precision it prints 1,979e12 with sparsity, which is twice that."""

DEVICES = (V100, A100, H100)

CLASSIFIER_SHARE = 0.11
"""Share of the V100's peak that training a classifier reached: what makes Table 10's days of Table 12's iterations."""

SINGLE_SHARE = 0.6
"""Share of a device's float32 peak that a network reaches. An assumption: nothing is published."""

GRAPH_FLOPS = 11.426e9
"""Products of the 2015 Inception graph on one image, counted on its topology; a multiply-add counts as two."""

HASH_RATE = 0.9e9
"""Bytes a second of sha256. Measured: one core of an x86-64 server."""

FLOPS_OF_A_THREAD = 22.5e9
"""Float64 operations a second of a product of matrices, measured as `HASH_RATE`; in float32 there are twice as many."""

DECODING, RESIZING = 2.0e-3, 1.33e-8
"""Seconds to decode a JPEG of 500x375, and, a pixel of the square, to cut it; as `HASH_RATE` measured."""


def published_share(forward_flops: float) -> float:
    """The share of an A100's peak that training the 64x64 network reached in the hands of others.

    Args:
        forward_flops: Of that network.

    Source: NVlabs/edm, README: 2500 million images in about 13 days on 32 A100, at a batch of 4096 in float16.
    """
    images_per_second = 2500.0e6 / (13 * SECONDS_PER_DAY) / 32
    return utilisation(images_per_second, forward_flops, A100.half_flops)
