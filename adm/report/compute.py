"""Compute in the paper's units: throughput, utilisation and V100-days."""

V100_FLOPS = 120.0e12
"""Peak of an NVIDIA Tesla V100, in floating-point operations per second. Source: Appendix B.1."""

PASSES = 3
"""Cost of a training step in forward passes: one forward pass, and a backward pass of twice its operations."""

SECONDS_PER_DAY = 86_400


def theoretical_throughput(forward_flops: float, peak: float = V100_FLOPS) -> float:
    """Training images per second at full utilisation.

    Args:
        forward_flops: Floating-point operations of a forward pass on one image, at least 1.
        peak: Floating-point operations per second of the machine.

    Source: Appendix B.1, the theoretical rows of Table 7.
    """
    return peak / (PASSES * forward_flops)


def training_flops(iterations: int, batch_size: int, forward_flops: float) -> float:
    """Floating-point operations that training takes.

    Args:
        iterations: Updates.
        batch_size: Images an update.
        forward_flops: Floating-point operations of a forward pass on one image.
    """
    return PASSES * forward_flops * batch_size * iterations


def utilisation(images_per_second: float, forward_flops: float, peak: float = V100_FLOPS) -> float:
    """Measured training throughput as a share of the theoretical one. Source: Table 7."""
    return images_per_second / theoretical_throughput(forward_flops, peak)


def v100_days(iterations: int, batch_size: int, images_per_second: float) -> float:
    """Days of one V100 that training takes.

    Args:
        iterations: Number of updates.
        batch_size: Number of images in each update.
        images_per_second: Training throughput of one V100, above 0.

    Source: Table 10.
    """
    return iterations * batch_size / images_per_second / SECONDS_PER_DAY


def implied_range(iterations: int, batch_size: int, images_per_second: float, decimals: int = 1) -> tuple[float, float]:
    """The range of V100-days for a throughput that is known only as printed, rounded to `decimals`.

    Returns:
        The least and the most days, for the largest and the smallest throughput that are printed like this.

    Raises:
        ValueError: The throughput is so small that the true one may be 0.
    """
    half = 0.5 * 10.0**-decimals
    if images_per_second <= half:
        raise ValueError(f"images_per_second: {images_per_second} is not above {half}, which rounding may hide")
    least = v100_days(iterations, batch_size, images_per_second + half)
    return least, v100_days(iterations, batch_size, images_per_second - half)
