"""Sections of the claims: what the paper's appendix states, and the comparison that tests it."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, StringConstraints, model_validator

from adm.params.section import Key, Section

Metric = Literal["fid", "sfid", "inception_score", "precision", "recall"]
Words = Annotated[str, StringConstraints(pattern=r"^\S[^\r\n]*$")]
"""One line of text."""

Margin = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class ClaimInputs(NamedTuple):
    """Keys of what a claim is tested on."""

    runs: Sequence[str] = ()
    interpolations: Sequence[str] = ()
    neighbours: Sequence[str] = ()
    throughputs: Sequence[str] = ()
    models: Sequence[str] = ()


class Claim(Section):
    """What every claim has: the statement, and where the paper makes it."""

    statement: Words
    source: Words

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs()

    @model_validator(mode="after")
    def _compares_two_things(self) -> Self:
        for name, keys in self.inputs()._asdict().items():
            if repeated := [key for key in keys if list(keys).count(key) > 1]:
                raise ValueError(f"{repeated[0]!r} stands twice among the claim's {name}; each must differ")
        return self


class ComparisonClaim(Claim):
    """`metric` of `run` is lower, or higher, than that of the run `than`, by more than `by`."""

    kind: Literal["lower", "higher"]
    metric: Metric
    run: Key
    than: Key
    by: Margin = 0.0

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(runs=[self.run, self.than])


class TrendClaim(Claim):
    """`metric` falls, or rises, from the first of `runs` to the last, and no step between goes the other way."""

    kind: Literal["falls", "rises"]
    metric: Metric
    runs: Annotated[list[Key], Field(min_length=3)]

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(runs=self.runs)


class BridgesClaim(Claim):
    """`run` bridges more than `share` of the gap in `metric` between `from_run` and the better `to_run`."""

    kind: Literal["bridges"]
    metric: Metric
    run: Key
    from_run: Key
    to_run: Key
    share: Annotated[float, Field(gt=0, le=1)]

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(runs=[self.run, self.from_run, self.to_run])


class SimilarClaim(Claim):
    """The differences in `metric` of `runs_a` from `runs_b`, run by run, are of mean size below `within`."""

    kind: Literal["similar"]
    metric: Metric
    runs_a: Annotated[list[Key], Field(min_length=1)]
    runs_b: Annotated[list[Key], Field(min_length=1)]
    within: Annotated[float, Field(gt=0)]

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(runs=[*self.runs_a, *self.runs_b])

    @model_validator(mode="after")
    def _as_many_runs(self) -> Self:
        if len(self.runs_a) != len(self.runs_b):
            raise ValueError(f"runs_a has {len(self.runs_a)} runs, but runs_b has {len(self.runs_b)}")
        return self


class NotBetterClaim(Claim):
    """No run of `runs` is better in `metric` than `base` by as much as `by`; which way is better, the metric says."""

    kind: Literal["not_better"]
    metric: Metric
    runs: Annotated[list[Key], Field(min_length=1)]
    base: Key
    by: Margin

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(runs=[*self.runs, self.base])


class BeatsEarlyClaim(Claim):
    """Of `runs`, through training and up to its end, one is better than `than` by the share `by_share` of it."""

    kind: Literal["beats_early"]
    metric: Metric
    runs: Annotated[list[Key], Field(min_length=2)]
    than: Key
    by_share: Share

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(runs=[*self.runs, self.than])


class ReconstructionClaim(Claim):
    """Images reconstruct with less error from `better`: from all reverse steps but the last, or from all."""

    kind: Literal["reconstruction"]
    interpolation: Key
    better: Literal["all_but_last", "all"]

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(interpolations=[self.interpolation])


class ReconstructionOrderClaim(Claim):
    """Of `interpolations` of the same images, the first reconstructs them with less error than each other."""

    kind: Literal["reconstruction_order"]
    interpolations: Annotated[list[Key], Field(min_length=2)]

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(interpolations=self.interpolations)


class NoCopiesClaim(Claim):
    """Samples are no copies of the dataset's images.

    Their median distance to the nearest image exceeds `ratio` times the median distance of images to the nearest
    other image, and the share that equals an image pixel by pixel is below `copies`.
    """

    kind: Literal["no_copies"]
    neighbours: Annotated[list[Key], Field(min_length=1)]
    ratio: Annotated[float, Field(gt=0)]
    copies: Share

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(neighbours=self.neighbours)


class LighterClaim(Claim):
    """Training `model` costs fewer FLOPs than training the model `than`, by more than the factor `by`."""

    kind: Literal["lighter"]
    model: Key
    than: Key
    by: Annotated[float, Field(ge=1)] = 1.0

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(models=[self.model, self.than])


class FasterClaim(Claim):
    """The optimised implementation trains on more images a second than the naive, by more than the factor `by`."""

    kind: Literal["faster"]
    throughput: Key
    by: Annotated[float, Field(ge=1)] = 1.0

    def inputs(self) -> ClaimInputs:
        """What it is tested on."""
        return ClaimInputs(throughputs=[self.throughput])


class NeedsClaim(Claim):
    """A claim that the scale cannot test, and why."""

    kind: Literal["needs"]
    reason: Words


ClaimParams = Annotated[
    ComparisonClaim
    | TrendClaim
    | BridgesClaim
    | SimilarClaim
    | NotBetterClaim
    | BeatsEarlyClaim
    | ReconstructionClaim
    | ReconstructionOrderClaim
    | NoCopiesClaim
    | LighterClaim
    | FasterClaim
    | NeedsClaim,
    Field(discriminator="kind"),
]


def runs_of(claim: Claim) -> list[str]:
    """The runs whose metrics a claim compares."""
    return list(claim.inputs().runs)


def interpolations_of(claim: Claim) -> list[str]:
    """The interpolations whose reconstructions a claim compares."""
    return list(claim.inputs().interpolations)


def neighbours_of(claim: Claim) -> list[str]:
    """The studies of nearest neighbours that a claim looks at."""
    return list(claim.inputs().neighbours)


def throughputs_of(claim: Claim) -> list[str]:
    """The throughputs that a claim compares."""
    return list(claim.inputs().throughputs)


def models_of(claim: Claim) -> list[str]:
    """The models whose cost of training a claim compares."""
    return list(claim.inputs().models)
