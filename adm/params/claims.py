"""Sections of the claims: statements of the paper's appendix, and the comparisons that test them."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from adm.paper import claims as claims_of_paper
from adm.params.judges import judged
from adm.params.metrics import ClaimMetric
from adm.params.section import Key, Section
from adm.params.sources import Needs, Words, keys_in

Margin = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Claim(Section):
    """The common part of claims: the statement, and its source in the paper."""

    statement: Words
    source: Words

    def runs_compared(self) -> list[str]:
        """The runs whose metrics it compares."""
        return []

    def studies(self) -> list[str]:
        """The studies that it uses."""
        return []

    def judged(self) -> list[str]:
        """The scores of runs by judges that it compares, as `RUN@JUDGE`."""
        return []

    def throughputs(self) -> list[str]:
        """The measured throughputs that it compares."""
        return []

    def models(self) -> list[str]:
        """The models whose training costs it compares."""
        return []

    @model_validator(mode="after")
    def _compares_two_things(self) -> Self:
        for name in ("runs_compared", "studies", "throughputs", "models"):
            keys = getattr(self, name)()
            if repeated := [key for key in keys if keys.count(key) > 1]:
                what = name.removesuffix("_compared")
                raise ValueError(f"{repeated[0]!r} stands twice among the claim's {what}; each must differ")
        return self


class ComparisonClaim(Claim):
    """`metric` of `run` is lower, or higher, than that of the run `than` by more than `by`."""

    kind: Literal["lower", "higher"]
    metric: ClaimMetric
    run: Key
    than: Key
    by: Margin = 0.0

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return [self.run, self.than]


class TrendClaim(Claim):
    """`metric` falls, or rises, at every step from one of `runs` to the next."""

    kind: Literal["falls", "rises"]
    metric: ClaimMetric
    runs: Annotated[list[Key], Field(min_length=3)]

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return self.runs


class BridgesClaim(Claim):
    """`run` bridges more than `share` of the gap in `metric` between `from_run` and the better `to_run`."""

    kind: Literal["bridges"]
    metric: ClaimMetric
    run: Key
    from_run: Key
    to_run: Key
    share: Annotated[float, Field(gt=0, le=1)]

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return [self.run, self.from_run, self.to_run]


class SimilarClaim(Claim):
    """The mean size of the differences in `metric` between `runs_a` and `runs_b`, run by run, is below `within`."""

    kind: Literal["similar"]
    metric: ClaimMetric
    runs_a: Annotated[list[Key], Field(min_length=1)]
    runs_b: Annotated[list[Key], Field(min_length=1)]
    within: Annotated[float, Field(gt=0)]

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return [*self.runs_a, *self.runs_b]

    @model_validator(mode="after")
    def _as_many_runs(self) -> Self:
        if len(self.runs_a) != len(self.runs_b):
            raise ValueError(f"runs_a has {len(self.runs_a)} runs, but runs_b has {len(self.runs_b)}")
        return self


class NotBetterClaim(Claim):
    """No run of `runs` is better in `metric` than `base` by `by` or more; the metric decides which way is better."""

    kind: Literal["not_better"]
    metric: ClaimMetric
    runs: Annotated[list[Key], Field(min_length=1)]
    base: Key
    by: Margin

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return [*self.runs, self.base]


class BeatsEarlyClaim(Claim):
    """One of `runs`, from the course of training to its end, is better than `than` by the share `by_share` of it."""

    kind: Literal["beats_early"]
    metric: ClaimMetric
    runs: Annotated[list[Key], Field(min_length=2)]
    than: Key
    by_share: Share

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return [*self.runs, self.than]


class RanksAlikeClaim(Claim):
    """`judge` ranks `runs` by `metric` as the extractor of their reference does: Kendall's tau is above `tau`."""

    kind: Literal["ranks_alike"]
    metric: Literal["fid", "precision", "recall"]
    runs: Annotated[list[Key], Field(min_length=3)]
    judge: Key
    tau: Annotated[float, Field(gt=-1, lt=1)]

    def runs_compared(self) -> list[str]:
        """Keys that it is tested on."""
        return self.runs

    def judged(self) -> list[str]:
        """Keys that it is tested on."""
        return [judged(run, self.judge) for run in self.runs]


class ReconstructionClaim(Claim):
    """Images are reconstructed with less error with the steps `better`: all reverse steps but the last, or all."""

    kind: Literal["reconstruction"]
    interpolation: Key
    better: Literal["all_but_last", "all"]

    def studies(self) -> list[str]:
        """Keys that it is tested on."""
        return [self.interpolation]


class ReconstructionOrderClaim(Claim):
    """The first of `interpolations` reconstructs the same images with less error than each other one."""

    kind: Literal["reconstruction_order"]
    interpolations: Annotated[list[Key], Field(min_length=2)]

    def studies(self) -> list[str]:
        """Keys that it is tested on."""
        return self.interpolations


class NoCopiesClaim(Claim):
    """Samples are not copies of the dataset's images.

    Their median distance to the nearest image is more than `ratio` times the median distance of images to the nearest
    other image. The share of samples that equal an image pixel by pixel is below `copies`.
    """

    kind: Literal["no_copies"]
    neighbours: Annotated[list[Key], Field(min_length=1)]
    ratio: Annotated[float, Field(gt=0)]
    copies: Share

    def studies(self) -> list[str]:
        """Keys that it is tested on."""
        return self.neighbours


class LighterClaim(Claim):
    """Training `model` costs fewer FLOPs than training the model `than`, by more than the factor `by`."""

    kind: Literal["lighter"]
    model: Key
    than: Key
    by: Annotated[float, Field(ge=1)] = 1.0

    def models(self) -> list[str]:
        """Keys that it is tested on."""
        return [self.model, self.than]


class FasterClaim(Claim):
    """The optimised implementation trains on more images per second than the naive one, by more than factor `by`."""

    kind: Literal["faster"]
    throughput: Key
    by: Annotated[float, Field(ge=1)] = 1.0

    def throughputs(self) -> list[str]:
        """Keys that it is tested on."""
        return [self.throughput]


class NotTestedClaim(Claim):
    """A claim that the scale cannot test, and the reason; `kind` is filled in."""

    kind: Literal["none"]
    none: Words


AnyClaim = (
    ComparisonClaim
    | TrendClaim
    | BridgesClaim
    | SimilarClaim
    | NotBetterClaim
    | BeatsEarlyClaim
    | RanksAlikeClaim
    | ReconstructionClaim
    | ReconstructionOrderClaim
    | NoCopiesClaim
    | LighterClaim
    | FasterClaim
    | NotTestedClaim
)

ClaimParams = Annotated[AnyClaim, Field(discriminator="kind")]


def _completed(claims: Any) -> Any:
    """Claims completed with the paper's values; a file gives only the runs, or `none`.

    If a file lists any of the paper's claims, those that no scale can test are added. All are in the paper's order.
    """
    if not isinstance(claims, dict):
        return claims
    papers, given = claims_of_paper(), claims
    if papers.keys() & claims.keys():
        untestable: dict[str, Any] = {key: {} for key, paper in papers.items() if "none" in paper}
        joined = {**untestable, **claims}
        given = {key: joined[key] for key in (*(key for key in papers if key in joined), *claims)}
    return {key: _whole(claim, papers.get(key, {})) for key, claim in given.items()}


def _whole(claim: Any, paper: dict[str, Any]) -> Any:
    if not isinstance(claim, dict):
        return claim
    if "none" not in claim and ("none" not in paper or "kind" in claim):
        return {**{name: value for name, value in paper.items() if name not in ("none", "group")}, **claim}
    # Nothing is compared, so the paper's fields for a comparison are dropped.
    told = {name: value for name, value in paper.items() if name in NotTestedClaim.model_fields}
    return {**told, **claim, "kind": "none"}


Claims = Annotated[dict[Key, ClaimParams], BeforeValidator(_completed)]
"""The claims by their keys."""


def not_tested(claims: Mapping[str, AnyClaim]) -> dict[str, str]:
    """Name the claims that a scale does not test, with the reasons: known from the params file, before any result.

    The stage `claims` adds but those that `adm.params.configurations.told_apart_by_schedules` names, if a search finds
    the very schedule that it is compared with.
    """
    return {key: claim.none for key, claim in claims.items() if isinstance(claim, NotTestedClaim)}


def grouped(claims: Mapping[str, AnyClaim]) -> dict[str, dict[str, AnyClaim]]:
    """Claims by the group that they are told in, in order; a group without claims is left out.

    What is measured in seconds differs from run to run: "speed" keeps it apart from the other claims of the "paper" and
    from one's "own". Claims of `adm/paper/claims.yaml` that are not the paper's name a group: "later" work.
    """
    papers = claims_of_paper()
    groups: dict[str, dict[str, AnyClaim]] = {}
    for key, claim in claims.items():
        told = papers[key].get("group", "paper") if key in papers else "own"
        group = "speed" if isinstance(claim, FasterClaim) else told
        groups.setdefault(group, {})[key] = claim
    return groups


def needs_of(claims: Iterable[Claim]) -> Needs:
    """The artifacts that claims are tested on."""
    claims = list(claims)
    return Needs(
        metrics=keys_in(run for claim in claims for run in claim.runs_compared()),
        judged=keys_in(key for claim in claims for key in claim.judged()),
        studies=keys_in(study for claim in claims for study in claim.studies()),
        throughput=keys_in(key for claim in claims for key in claim.throughputs()),
        sizes=any(claim.models() for claim in claims),
    )
