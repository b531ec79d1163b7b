"""Sections of the figures, by kind; a figure may have any key."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adm.config.base import PositiveInt
from adm.config.metrics import ClaimMetric, MetricName
from adm.params import references as refs
from adm.params.section import Section

Runs = Annotated[list[refs.DiffusionScores], Field(min_length=1)]
Panels = Annotated[dict[str, Annotated[dict[str, Runs], Field(min_length=1)]], Field(min_length=1)]
Pair = Annotated[list[MetricName], Field(min_length=2, max_length=2)]
Axis = Literal[
    "iterations",
    "temperature",
    "gradient_scale",
    "noise_temperature",
    "epsilon_temperature",
    "eta",
    "truncation",
    "num_samples",
    "ema_length",
]
"""Possible x axes of curves: the training iterations of a run's checkpoint, its temperature of the noise times that of
epsilon, or a number of its section."""


class FigureParams(Section):
    """The common part of figures: a caption, which replaces the one of a figure of the paper."""

    caption: refs.Words | None = None


class AblationsParams(FigureParams):
    """FID against what training took, in FLOPs or seconds, or the evaluations that sampling an image takes.

    Panels are of curves, each the runs of a model's checkpoints, or of one checkpoint in more and more steps.
    """

    kind: Literal["ablations"]
    x: Literal["flops", "seconds", "evaluations"] = "flops"
    panels: Panels


class RunCurvesParams(FigureParams):
    """Metrics along curves of runs, by the curve's label."""

    curves: Annotated[dict[str, Annotated[list[refs.Scores], Field(min_length=2)]], Field(min_length=1)]


class TradeOffsParams(RunCurvesParams):
    """Metrics against each other while gradient scale or truncation changes: a panel for each pair of x and y axis."""

    kind: Literal["trade_offs"]
    panels: Annotated[list[Pair], Field(min_length=1, max_length=6)] = Field(
        default_factory=lambda: [["inception_score", "fid"], ["inception_score", "sfid"], ["recall", "precision"]]
    )


class CurvesParams(RunCurvesParams):
    """Metrics against a number of the runs, one panel for each metric."""

    kind: Literal["curves"]
    x: Axis
    y: Annotated[list[MetricName], Field(min_length=1, max_length=6)]


class NeighboursFigureParams(FigureParams):
    """Samples above their nearest neighbours: one block for each study, by the block's title."""

    kind: Literal["neighbours"]
    blocks: Annotated[dict[str, refs.Neighbours], Field(min_length=1)]
    columns: PositiveInt


class InterpolationFigureParams(FigureParams):
    """An interpolation between real images."""

    kind: Literal["interpolation"]
    study: refs.Interpolation


class LikelihoodsFigureParams(FigureParams):
    """Terms of L_vlb against the timestep: one curve for each study, by its label."""

    kind: Literal["likelihoods"]
    curves: Annotated[dict[str, refs.Likelihood], Field(min_length=1)]


class LotteryFigureParams(FigureParams):
    """A metric by each seed of training, and the standard deviation that each makes: the runs of a table `lottery`."""

    kind: Literal["lottery"]
    runs: Annotated[list[refs.Scores], Field(min_length=1)]
    metric: ClaimMetric = "fid"


class PanelParams(Section):
    """A panel of a comparison: samples of a run, or images of a dataset."""

    run: refs.Images | None = None
    dataset: refs.Data | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.run is None) == (self.dataset is None):
            raise ValueError(f"exactly one of run and dataset must be given, not {'both' if self.run else 'neither'}")
        return self


class ComparisonParams(FigureParams):
    """Panels by title, in rows by title; each panel has `lines` lines of `columns` images."""

    kind: Literal["comparison"]
    rows: Annotated[dict[str, Annotated[dict[str, PanelParams], Field(min_length=1)]], Field(min_length=1)]
    columns: PositiveInt
    lines: PositiveInt


class GridParams(FigureParams):
    """Samples of one run."""

    run: refs.Images
    columns: PositiveInt


class ClassGridParams(GridParams):
    """Samples of chosen classes: one row of `columns` images for each class. A run with `classes` needs no `kind`."""

    kind: Literal["class_grid"]
    classes: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    names: list[str] | None = None

    @model_validator(mode="after")
    def _one_name_a_class(self) -> Self:
        if self.names is not None and len(self.names) != len(self.classes):
            raise ValueError(f"names has {len(self.names)} entries, but classes has {len(self.classes)}")
        return self


class RandomGridParams(GridParams):
    """The first samples of a run. A run without `classes` needs no `kind`."""

    kind: Literal["random_grid"]
    rows: PositiveInt


AnyFigureParams = (
    AblationsParams
    | TradeOffsParams
    | CurvesParams
    | NeighboursFigureParams
    | InterpolationFigureParams
    | LikelihoodsFigureParams
    | LotteryFigureParams
    | ComparisonParams
    | ClassGridParams
    | RandomGridParams
)
