"""Sections of the claims: statements of the paper's appendix, and the comparisons that test them."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from adm.config.metrics import ClaimMetric
from adm.errors import accepted
from adm.paper import claims as claims_of_paper
from adm.params import references as refs
from adm.params.references import Named, references, visit
from adm.params.section import Section

Margin = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]


class Claim(Section):
    """The common part of claims: the statement, and its source in the paper."""

    statement: refs.Words
    source: refs.Words


class ComparisonClaim(Claim):
    """`metric` of `run` is lower, or higher, than that of the run `than` by more than `by`."""

    kind: Literal["lower", "higher"]
    metric: ClaimMetric
    run: refs.Scores
    than: refs.Scores
    by: Margin = 0.0


class CheaperClaim(Claim):
    """`metric` of `run` is lower than of the run `than`, which took no fewer FLOPs to train; else it is not tested."""

    kind: Literal["cheaper"]
    metric: ClaimMetric
    run: refs.ScoresAndCost
    than: refs.ScoresAndCost
    by: Margin = 0.0


class TrendClaim(Claim):
    """`metric` falls, or rises, at every step from one of `runs` to the next."""

    kind: Literal["falls", "rises"]
    metric: ClaimMetric
    runs: Annotated[list[refs.Scores], Field(min_length=3)]


class BridgesClaim(Claim):
    """`run` bridges more than `share` of the gap in `metric` between `from_run` and the better `to_run`."""

    kind: Literal["bridges"]
    metric: ClaimMetric
    run: refs.Scores
    from_run: refs.Scores
    to_run: refs.Scores
    share: Annotated[float, Field(gt=0, le=1)]


class SimilarClaim(Claim):
    """The mean size of the differences in `metric` between `runs_a` and `runs_b`, run by run, is below `within`."""

    kind: Literal["similar"]
    metric: ClaimMetric
    runs_a: Annotated[list[refs.Scores], Field(min_length=1)]
    runs_b: Annotated[list[refs.Scores], Field(min_length=1)]
    within: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _as_many_runs(self) -> Self:
        if len(self.runs_a) != len(self.runs_b):
            raise ValueError(f"runs_a has {len(self.runs_a)} runs, but runs_b has {len(self.runs_b)}")
        return self


class NotBetterClaim(Claim):
    """No run of `runs` is better in `metric` than `base` by `by` or more; the metric decides which way is better."""

    kind: Literal["not_better"]
    metric: ClaimMetric
    runs: Annotated[list[refs.Scores], Field(min_length=1)]
    base: refs.Scores
    by: Margin


class BeatsEarlyClaim(Claim):
    """One of `runs`, from the course of training to its end, is better than `than` by the share `by_share` of it."""

    kind: Literal["beats_early"]
    metric: ClaimMetric
    runs: Annotated[list[refs.Scores], Field(min_length=2)]
    than: refs.Scores
    by_share: Share


class RanksAlikeClaim(Claim):
    """`judge` ranks `runs` by `metric` as the extractor of their reference does: Kendall's tau is above `tau`."""

    kind: Literal["ranks_alike"]
    metric: Literal["fid", "precision", "recall"]
    runs: Annotated[list[refs.SingleScores], Field(min_length=3)]
    judge: refs.Graph
    tau: Annotated[float, Field(gt=-1, lt=1)]


class ReconstructionClaim(Claim):
    """Images are reconstructed with less error with the steps `better`: all reverse steps but the last, or all."""

    kind: Literal["reconstruction"]
    interpolation: refs.Interpolation
    better: Literal["all_but_last", "all"]


class ReconstructionOrderClaim(Claim):
    """The first of `interpolations` reconstructs the same images with less error than each other one."""

    kind: Literal["reconstruction_order"]
    interpolations: Annotated[list[refs.Interpolation], Field(min_length=2)]


class NoCopiesClaim(Claim):
    """Samples are not copies of the dataset's images.

    Their median distance to the nearest image is more than `ratio` times the median distance of images to the nearest
    other image. The share of samples that equal an image pixel by pixel is below `copies`.
    """

    kind: Literal["no_copies"]
    neighbours: Annotated[list[refs.Neighbours], Field(min_length=1)]
    ratio: Annotated[float, Field(gt=0)]
    copies: Share


class LighterClaim(Claim):
    """Training `model` costs fewer FLOPs than training the model `than`, by more than the factor `by`."""

    kind: Literal["lighter"]
    model: refs.Size
    than: refs.Size
    by: Annotated[float, Field(ge=1)] = 1.0


class FasterClaim(Claim):
    """The optimised implementation trains on more images per second than the naive one, by more than factor `by`."""

    kind: Literal["faster"]
    throughput: refs.Throughput
    by: Annotated[float, Field(ge=1)] = 1.0


class NotTestedClaim(Claim):
    """A claim that the scale cannot test, and the reason; `kind` is filled in."""

    kind: Literal["none"]
    none: refs.Words


AnyClaim = (
    ComparisonClaim
    | CheaperClaim
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

CLASSES: dict[str, type[Section]] = {
    kind: one for one in get_args(AnyClaim) for kind in get_args(one.model_fields["kind"].annotation)
}
"""The class of claims of each kind."""


def completed(claims: dict[str, Any], roles: Any = None) -> dict[str, Any]:
    """Complete claims with the paper's values; a file gives only the runs, or `none`.

    A claim whose roles are all bound needs no entry; null leaves it out. If there are any of the paper's claims, those
    that no scale can test are added. All are in the paper's order.

    Args:
        claims: The entries from YAML.
        roles: What the scale binds the paper's roles to: a key, a list of keys, or `{none: why there is none}`.

    Raises:
        ValueError: A role is unknown or bound to something else; the message names it.
    """
    bound, papers = _checked(roles), claims_of_paper()
    cast = {key: _cast(key, paper, bound, claims.get(key) or {}) for key, paper in papers.items()}
    left_out = {key for key, claim in claims.items() if claim is None}
    told = {key for key, (_, is_bound) in cast.items() if is_bound or key in claims} - left_out
    if told:
        told |= {key for key, paper in papers.items() if "none" in paper} - left_out
    own = {key: claim for key, claim in claims.items() if key not in papers and claim is not None}
    return {
        **{key: claim for key, (claim, _) in cast.items() if key in told},
        **{key: {**claim, "kind": "none"} if "none" in claim else claim for key, claim in own.items()},
    }


def _checked(roles: Any) -> dict[str, Any]:
    if roles is None:
        return {}
    if not isinstance(roles, dict):
        raise ValueError(f"roles: {roles!r} is not accepted; write roles and the runs that have them")
    papers = [claim for claim in claims_of_paper().values() if "none" not in claim]
    known = list(dict.fromkeys(named.key for claim in papers for named in references(CLASSES[claim["kind"]], claim)))
    for name, given in roles.items():
        if name not in known:
            raise ValueError(f"roles.{name}: is no role of a claim; {accepted(known, str(name))}")
        several = given if isinstance(given, list) else [given]
        is_none = isinstance(given, dict) and set(given) == {"none"} and isinstance(given["none"], str)
        if not is_none and not (several and all(isinstance(one, str) for one in several)):
            raise ValueError(f"roles.{name}: {given!r} is not accepted; write a key, a list of keys, or {{none: why}}")
    return roles


def _cast(key: str, paper: dict[str, Any], roles: dict[str, Any], own: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Give a claim of the paper with the scale's own fields and what its roles are bound to, and whether all are.

    Fields with a role that is not bound are left out. With a role that nothing can have, the claim is not tested.
    """
    claim, missing = {**paper, **own}, "none" in paper
    for field in () if missing else [name for name in paper if name not in own]:
        part = {"kind": paper["kind"], field: paper[field]}
        names = [named.key for named in references(CLASSES[paper["kind"]], part)]
        bound = [roles[name] for name in names if name in roles]
        if reasons := [one for one in bound if isinstance(one, dict)]:
            claim |= reasons[0]
        elif len(bound) < len(names):
            del claim[field]
            missing = True
        elif names:
            claim[field] = visit(CLASSES[paper["kind"]], part, partial(_bound, key, roles))[field]
    is_bound = not missing or ("none" in claim and "none" not in paper)
    if "none" in own or ("none" in claim and "kind" not in own):
        # Nothing is compared, so the paper's fields for a comparison are dropped.
        told = {name: value for name, value in claim.items() if name in NotTestedClaim.model_fields}
        return {**told, **own, "kind": "none"}, is_bound
    return {name: value for name, value in claim.items() if name not in ("none", "group")}, is_bound


def _bound(claim: str, roles: dict[str, Any], named: Named) -> list[str]:
    bound = roles[named.key]
    if isinstance(bound, list) and len(bound) > 1 and not named.listed:
        raise ValueError(f"roles.{named.key}: {bound!r} are several; claims.{claim}.{named.field} needs one")
    return bound if isinstance(bound, list) else [bound]


def not_tested(claims: Mapping[str, AnyClaim]) -> dict[str, str]:
    """Name the claims that a scale does not test, with the reasons: known from the params file, before any result."""
    return {key: claim.none for key, claim in claims.items() if isinstance(claim, NotTestedClaim)}


def grouped(claims: Mapping[str, AnyClaim]) -> dict[str, dict[str, AnyClaim]]:
    """Give claims by the group that they are told in, in order; a group without claims is left out.

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
