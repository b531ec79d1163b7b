"""`identify`: which released network a file belongs to."""

from collections import Counter
from pathlib import Path

from adm.nets.release import compare_presets, read_released, shapes


def run(file: Path) -> list[str]:
    """Compare a file in the released format with every preset.

    Returns:
        Lines to print: the number of parameters by dtype, and the presets that the file fits. If it fits none, the
        nearest preset and the first three tensors that differ.

    Raises:
        UserError: The file is no checkpoint in the released format.
    """
    state = read_released(file)
    counts = Counter[str]()
    for tensor in state.values():
        counts[str(tensor.dtype).removeprefix("torch.")] += tensor.numel()
    mix = ", ".join(f"{count:,} {dtype}" for dtype, count in sorted(counts.items()))
    lines = [f"{file}: {sum(counts.values()):,} parameters ({mix})"]
    differences = compare_presets(shapes(state))
    if presets := [preset for preset, different in differences.items() if not different]:
        return [*lines, *(f"fits {preset}" for preset in presets)]
    nearest, different = min(differences.items(), key=lambda item: len(item[1]))
    return [*lines, f"fits no preset; of the nearest, {nearest}, {len(different)} tensors differ:", *different[:3]]
