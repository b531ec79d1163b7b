"""Respacing: which of the training timesteps a sampler visits; here, so that the params file is checked by it."""

import re

STEPS_PATTERN = r"^(ddim[1-9][0-9]*|[0-9]+(,[0-9]+)*)$"
"""What a schedule of sampling steps looks like."""


def respaced_timesteps(num_timesteps: int, steps: str) -> list[int]:
    """Choose which of the T timesteps a sampler visits.

    `"N"` and `"a,b,c,d,e"` cut T into equal sections and stride each so that its first and last timestep are kept;
    `"ddimN"` takes the first integer stride that gives exactly N steps.

    Args:
        num_timesteps: T of the training process.
        steps: The schedule, as in Tables 14 and 15.

    Returns:
        Strictly increasing timesteps in [0, T).

    Raises:
        ValueError: The schedule is none, asks for more steps than a section has, or no stride gives N steps.

    Source: Appendix K (both uniform strides), Table 15 (sections).
    """
    if not re.fullmatch(STEPS_PATTERN, steps):
        raise ValueError(f"steps: {steps!r} is no schedule; write 'N', 'a,b,c,...' or 'ddimN'")
    if steps.startswith("ddim"):
        return _integer_stride(num_timesteps, steps)
    counts = [int(count) for count in steps.split(",")]
    size, remainder = divmod(num_timesteps, len(counts))
    chosen: list[int] = []
    start = 0
    for section, count in enumerate(counts):
        length = size + (section < remainder)
        if count > length:
            raise ValueError(f"steps: {steps!r} asks for {count} steps of a section that has {length}")
        stride = (length - 1) / (count - 1) if count > 1 else 1.0
        # The position is accumulated, not multiplied out: at halves the two round to different timesteps.
        position = 0.0
        for _ in range(count):
            chosen.append(start + round(position))
            position += stride
        start += length
    if not chosen:
        raise ValueError(f"steps: {steps!r} visits no timestep")
    return chosen


def _integer_stride(num_timesteps: int, steps: str) -> list[int]:
    count = int(steps.removeprefix("ddim"))
    for stride in range(1, num_timesteps + 1):
        if len(range(0, num_timesteps, stride)) == count:
            return list(range(0, num_timesteps, stride))
    raise ValueError(f"steps: {steps!r} has no integer stride that gives {count} of {num_timesteps} timesteps")
