"""Checks of a lottery: enough seeds of each kind, in a Latin square, and enough draws of samples, each of its own."""

from collections.abc import Sequence
from itertools import combinations, pairwise

from adm.config.models import TrainingSeeds
from adm.params.runs import SamplingParams
from adm.params.schema import Params, Sections

FEWEST_SEEDS = 3
"""Of each kind: with two, nothing is left to tell the seeds' own effects from what they do together."""

FEWEST_DRAWS = 2
"""Of samples of each model, which then have a spread."""


def levels_of(params: Sections, group: str) -> list[tuple[int, int, int]]:
    """List the seeds of weights, data and noise that each run of a group is trained from."""
    models = [params.models[params.model_of(params.checkpoint_of(run))] for run in params.members(group)]
    return [(seeds.weights, seeds.data, seeds.noise) for seeds in (model.training.seeds for model in models)]


def check_lottery(params: Params, place: str, groups: Sequence[str]) -> None:
    """Check the runs of a lottery.

    Args:
        params: The params file, whose runs were checked.
        place: Where the groups stand in it.
        groups: Of runs, a draw of samples each.

    Raises:
        ValueError: A check fails; the message names the key, what was found and what is needed.
    """
    for group in groups:
        if not all(isinstance(params.scored[run], SamplingParams) for run in params.members(group)):
            raise ValueError(f"{place}: {group!r} is sampled from no trained model; name runs of a diffusion model")
    _check_seeds(params, place, groups[0])
    if len(groups) < FEWEST_DRAWS:
        raise ValueError(
            f"{place}: {groups[0]!r} is one draw of samples of each model; a lottery needs {FEWEST_DRAWS} or more, as "
            "from a run with sweep: {seed: [0, 1000]}"
        )
    first, *others = ([params.checkpoint_of(run) for run in params.members(group)] for group in groups)
    for group, checkpoints in zip(groups[1:], others, strict=True):
        if checkpoints != first:
            raise ValueError(f"{place}: {group!r} is of other checkpoints than {groups[0]!r}; draws are of the same")
    _check_images(params, place, [run for group in groups for run in params.members(group)])


def _check_seeds(params: Params, place: str, group: str) -> None:
    levels, kinds = levels_of(params, group), tuple(TrainingSeeds.model_fields)
    for kind, seeds in zip(kinds, zip(*levels, strict=True), strict=True):
        if (many := len(set(seeds))) < FEWEST_SEEDS:
            raise ValueError(
                f"{place}: {group!r} is of {many} {'seed' if many == 1 else 'seeds'} of {kind}; a lottery needs "
                f"{FEWEST_SEEDS} or more of each of {', '.join(kinds)}, as from a model with "
                "seeds: {weights: [1, 2, 3], data: [1, 2, 3], noise: [1, 2, 3]}"
            )
    pairs = [len(set(zip(a, b, strict=True))) for a, b in combinations(zip(*levels, strict=True), 2)]
    if {*pairs, *(len(set(seeds)) ** 2 for seeds in zip(*levels, strict=True))} != {len(levels)}:
        raise ValueError(f"{place}: {group!r} is no Latin square; any two seeds of two kinds must meet in one model")


def _check_images(params: Params, place: str, runs: Sequence[str]) -> None:
    """Check that no two draws share an image's seed, and that all have as many."""
    drawn = sorted((params.scored[run].seed, params.scored[run].num_samples, run) for run in runs)  # type: ignore[union-attr]
    for (seed, count, run), (start, many, other) in pairwise(drawn):
        if many != count:
            raise ValueError(f"{place}: {run!r} has {count} samples, but {other!r} has {many}; draws have equally many")
        if seed + count > start:
            raise ValueError(
                f"{place}: {run!r} and {other!r} share seeds of images, from {start} on; draws need seeds of their own"
            )
