"""What the paper's names of models stand for at a scale whose images are not the paper's."""

import re
from collections.abc import Iterable

from adm.params.schema import Sections

PAPERS = re.compile(r"(?P<name>(adm|classifier|lsun)-.+?)(-seed-.*)?")
"""A name of the paper, and which of its seeds."""

SIDE = 256
"""Of the paper's images where a name tells none: LSUN's, and an upsampler's."""


def stands_for(params: Sections, models: Iterable[str]) -> str:
    """Say what the paper's names stand for, as "Here adm-256: 28×28, twice as deep." does.

    Depth and the width below are compared with those of the first model of the kind, which is the paper's smallest one.

    Args:
        params: All models of the params file, and its datasets.
        models: Keys. Those that are not the paper's, have its sizes, or are classifiers beside a model are left out.
    """
    keys = [key for key in models if PAPERS.fullmatch(key)]
    guided = [key for key in keys if params.models[key].kind != "classifier"]
    told: dict[str, dict[str, None]] = {}
    for key in guided or keys:
        name = PAPERS.fullmatch(key)["name"]  # type: ignore[index]
        side = re.search(r"\d+", name)
        if params.models[key].network.image_size != (int(side[0]) if side else SIDE):
            told.setdefault(_described(params, key), {})[name] = None
    listed = "; ".join(f"{', '.join(names)}: {words}" for words, names in told.items())
    return f"Here {listed}." if listed else ""


def _described(params: Sections, key: str) -> str:
    """Describe a model: "8×8, twice as deep, without classes"."""
    model = params.models[key]
    first = next(one.network for one in params.models.values() if one.kind == model.kind)
    network, side = model.network, model.network.image_size
    below = getattr(network, "low_resolution", None)
    words = [f"{below}×{below} to {side}×{side}" if below else f"{side}×{side}"]
    ratios = network.depth / first.depth, network.level_channels[-1] / first.level_channels[-1]
    for ratio, adjective in zip(ratios, ("deep", "wide"), strict=True):
        if ratio != 1:
            words.append(f"{'twice' if ratio == 2 else f'{ratio:.3g} times'} as {adjective}")
    dataset = params.datasets.get(model.dataset) if model.dataset else None
    if dataset and dataset.classes:
        words.append(f"class{'es' * (len(dataset.classes) > 1)} {', '.join(map(str, dataset.classes))}")
    return ", ".join(words)
