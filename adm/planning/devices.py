"""Shares of peaks that accelerators reach, and speeds of processors, from publications and measurements."""

from adm.report.compute import A100, SECONDS_PER_DAY, utilisation

CLASSIFIER_SHARE = 0.11
"""Share of a V100's peak in training a classifier: with it, Table 12's iterations give the days of Table 10."""

SINGLE_SHARE = 0.6
"""Share of a device's float32 peak that a network reaches. An assumption, because nothing is published."""

GRAPH_FLOPS = 11.426e9
"""Operations of the 2015 Inception graph's products for one image; a multiply-add counts as two."""

NETWORK_FLOPS = {"dinov2-vitl14": 161.98e9}
"""Operations of the products of other published networks for one image, counted by torch's own counter."""

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
