"""The measurements that claims are tested on, read from the artifacts of other stages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.seal import read_sealed_json
from adm.metrics.intervals import SHARES, Block, Draws, block_of, draws_of, with_least_spread
from adm.params.claims import AnyClaim, BeatsEarlyClaim, CheaperClaim, LighterClaim
from adm.params.needs import members_of, needs_of
from adm.params.references import keys_in, keys_read
from adm.params.runs import GanRunParams, RunParams, UpsampledRunParams
from adm.params.schema import Sections
from adm.report.metrics import IMPLEMENTATIONS, Inputs, Score, read_score, trained_for, training_flops
from adm.sampling import studies


@dataclass(frozen=True)
class Evidence:
    """The measurements of a scale, by the keys of the params file.

    `errors` are (N, 2): the error of each image with all reverse steps but the last, and with all. `throughputs` are
    images per second of the naive and of the optimised implementation, one number for each repetition. `costs` are
    FLOPs of training models, `spent` those of all that is trained for runs. `scores` of a run by a judge have the key
    `RUN@JUDGE`. `groups` are the runs of each group over seeds of training, and `trained` what each of these runs is
    sampled from: a model or a GAN. With `same_models` their intervals cover the draw of the samples alone.
    """

    scores: Mapping[str, Score] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trained: Mapping[str, str] = field(default_factory=dict)
    iterations: Mapping[str, int] = field(default_factory=dict)
    errors: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    neighbours: Mapping[str, studies.Neighbours] = field(default_factory=dict)
    throughputs: Mapping[str, Sequence[Sequence[float]]] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    same_models: bool = False


def read_evidence(params: Sections, claims: Sequence[AnyClaim], inputs: Inputs) -> Evidence:
    """Read what claims are tested on, from the artifacts that `adm.params.needs.needs_of` names.

    Raises:
        UserError: An artifact that a claim needs is missing or malformed.
    """
    needs = needs_of(params, *claims)
    groups = {key: params.groups[key] for one in claims for key in keys_read(one, "metrics") if key in params.groups}
    early = keys_in(run for claim in claims if isinstance(claim, BeatsEarlyClaim) for run in claim.runs)
    errors, neighbours = {}, {}
    for key in needs["studies"]:
        path = inputs["studies"][key]
        if key in params.interpolations:
            study = studies.read_study(studies.Interpolation, path)
            errors[key] = np.stack([study.error_all_but_last, study.error_all], axis=1)
        else:
            neighbours[key] = studies.read_study(studies.Neighbours, path)
    return Evidence(
        scores={key: read_score(params, key, inputs) for key in (*needs["metrics"], *needs["judged"])},
        groups=groups,
        trained={run: _trained(params, run) for run in members_of(params, groups)},
        iterations={run: params.iteration_of(params.checkpoint_of(run)) for run in early},
        errors=errors,
        neighbours=neighbours,
        throughputs={
            key: [read_sealed_json(path)[name]["images_per_second"] for name in IMPLEMENTATIONS]
            for key, path in inputs.get("throughput", {}).items()
        },
        costs={
            model: sum(training_flops(params, [_last_checkpoint(params, model)], inputs).values())
            for claim in claims
            if isinstance(claim, LighterClaim)
            for model in (claim.model, claim.than)
        },
        spent={
            run: sum(training_flops(params, [*chain(*trained_for(params, run))], inputs).values())
            for claim in claims
            if isinstance(claim, CheaperClaim)
            for run in (claim.run, claim.than)
        },
    )


def metric_draws(metric: str, runs: Sequence[str], evidence: Evidence) -> dict[str, Draws]:
    """Return draws of a metric of several runs over their samples, or of several groups of runs over seeds of training.

    Neither the order of runs nor other claims change anything: blocks are drawn in the order of their keys.

    Raises:
        ValueError: A run has no such metric or no interval of it.
    """
    blocks = metric_blocks(metric, runs, evidence)
    return {
        run: draws[:, column]
        for members, draws in zip(blocks, draws_of([*blocks.values()]), strict=True)
        for column, run in enumerate(members)
    }


def metric_blocks(metric: str, runs: Sequence[str], evidence: Evidence) -> dict[tuple[str, ...], Block]:
    """Return the blocks of a metric, by the runs or groups that are their columns.

    Runs with the same seed and the same number of samples are paired: sample i of each has the same noise and class.
    Groups of the same trained models, as through training, are paired by model. Pairs may have much in common or
    nothing: either way their interval covers as it says. All else is independent.
    """
    over_seeds = any(run in evidence.groups for run in runs)
    members = {run: evidence.groups.get(run, [run]) for run in dict.fromkeys(runs)}
    scores = {run: evidence.scores[run] for each in members.values() for run in each}
    for run, score in scores.items():
        if score.metrics.get(metric) is None:
            raise ValueError(f"run {run!r} has no {metric!r}")
        if metric not in score.jackknife and not over_seeds:
            raise ValueError(f"run {run!r} of {score.num_samples} samples has no interval of {metric!r}")
    together: dict[tuple[str, ...], list[str]] = {}
    for run, each in sorted(members.items()):
        seed = None if over_seeds else scores[run].seed
        one = run if seed is None else str(seed)
        shared = tuple(evidence.trained.get(run, run) for run in each) if over_seeds else (one,)
        together.setdefault(shared, []).append(run)
    blocks = {}
    for paired in map(tuple, together.values()):
        if over_seeds:
            of_seeds = [
                [scores[run] for run in each] for each in zip(*(members[group] for group in paired), strict=True)
            ]
            values = np.array([[score.metrics[metric] for score in each] for each in of_seeds], np.float64)
            if evidence.same_models:
                drawn = [block_of([score.jackknife[metric] for score in each]) for each in of_seeds]
                spread = np.concatenate([block.spread for block in drawn]) / len(drawn)
                values = values.mean(axis=0) + spread * math.sqrt(len(spread) * (len(spread) - 1))
            block, drawn_from = Block(values), [each[0] for each in of_seeds]
        else:
            block, drawn_from = block_of([scores[run].jackknife[metric] for run in paired]), [scores[paired[0]]]
        least = 1 / sum(score.num_samples for score in drawn_from)
        blocks[paired] = with_least_spread(block, least) if metric in SHARES else block
    return blocks


def _last_checkpoint(params: Sections, model: str) -> str:
    points = (*params.segments, *params.published.checkpoints)
    return max((point for point in points if params.model_of(point) == model), key=params.iteration_of)


def _trained(params: Sections, run: str) -> str:
    """Name the model or GAN that a run is sampled from; of a published run, which tells neither, the run itself."""
    sampled = params.scored[run]
    if isinstance(sampled, GanRunParams):
        return sampled.gan
    return params.model_of(sampled.checkpoint) if isinstance(sampled, RunParams | UpsampledRunParams) else run
