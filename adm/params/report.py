"""Sections of what is shown: tables and figures, each of which says what it needs."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from adm.params.section import Key, PositiveInt, Section

KEY = re.compile(r"[a-z0-9][a-z0-9_-]*")

PAPER_TABLES = (*(f"table_{number}" for number in range(6, 17)), "appendix_k")
"""The tables of the appendix; that of Appendix K holds its sweeps of gradient scales."""

TABLES = (*PAPER_TABLES, "further")
"""All tables: those of the appendix, and what is told beside them."""

PAPER_FIGURES = (*(f"figure_{number}" for number in (*range(5, 10), "10a", "10b", "10c", *range(11, 28))),)
"""The figures of the appendix."""

FIGURES = (*PAPER_FIGURES, "likelihood")
"""All figures: those of the appendix, and what is drawn beside them."""


def _key_or_reason(text: str) -> str:
    if KEY.fullmatch(text) or " " in text.strip():
        return text
    raise ValueError(f"{text!r} is neither a key nor a reason (some words) why there is none")


Source = Annotated[str, AfterValidator(_key_or_reason)]
"""The key of what fills a place, or, in some words, why this scale has nothing to fill it with."""

Reason = Annotated[str, StringConstraints(min_length=1)]


def is_key(source: str) -> bool:
    """Whether a source is a key, not a reason."""
    return KEY.fullmatch(source) is not None


@dataclass(frozen=True)
class Needs:
    """Keys of the artifacts that a table, a figure or the claims are made from, by their kind."""

    metrics: list[str] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    studies: list[str] = field(default_factory=list)
    throughput: list[str] = field(default_factory=list)
    sizes: bool = False

    def items(self) -> Iterator[tuple[str, list[str]]]:
        """Kinds and keys, those of `sizes` left out."""
        return ((f.name, getattr(self, f.name)) for f in fields(self) if f.name != "sizes")


def keys_in(sources: Iterable[str]) -> list[str]:
    """The keys among sources, each once, in order."""
    return list(dict.fromkeys(source for source in sources if is_key(source)))


class RowsParams(Section):
    """A table whose rows are runs: one source a row of the paper's table, in its order."""

    rows: Annotated[list[Source], Field(min_length=1)]

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(self.rows))


class FurtherParams(Section):
    """Metrics beyond the paper's five: any runs, one a row."""

    rows: Annotated[list[Key], Field(min_length=1)]

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(self.rows))


class ComputeParams(RowsParams):
    """Table 10: runs with the compute that trained them.

    `images_per_v100_second` holds the measured throughput of models; the others' is the theoretical one.
    """

    images_per_v100_second: dict[Key, Annotated[float, Field(gt=0)]]

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(self.rows), sizes=True)


class ThroughputTableParams(Section):
    """Table 7: one measured throughput a model of the paper's table, in its order."""

    models: Annotated[list[Source], Field(min_length=1)]

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(throughput=keys_in(self.models))


class HyperparametersParams(Section):
    """Tables 11-13: one model a column of the paper's table, in its order."""

    columns: Annotated[list[Source], Field(min_length=1)]

    def keys(self) -> list[str]:
        """The models."""
        return keys_in(self.columns)

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(sizes=True)


class ScalesParams(Section):
    """Table 14: the runs whose gradient scale was chosen, one a column of the paper's table."""

    ddpm: Annotated[list[Source], Field(min_length=1)]
    ddim: Annotated[list[Source], Field(min_length=1)]

    def keys(self) -> list[str]:
        """The runs."""
        return keys_in([*self.ddpm, *self.ddim])

    def needs(self) -> Needs:
        """What it is made from: the params file alone."""
        return Needs()


class TablesParams(Section):
    """The tables of the appendix."""

    table_6: RowsParams
    table_7: ThroughputTableParams
    table_8: RowsParams
    table_9: RowsParams
    table_10: ComputeParams
    table_11: HyperparametersParams
    table_12: HyperparametersParams
    table_13: HyperparametersParams
    table_14: ScalesParams
    table_15: RowsParams
    table_16: RowsParams
    appendix_k: RowsParams
    further: FurtherParams


class AblationParams(Section):
    """FID against training time: panels of curves, each the runs of a model's checkpoints."""

    panels: Annotated[
        dict[str, Annotated[dict[str, Annotated[list[Key], Field(min_length=1)]], Field(min_length=1)]],
        Field(min_length=1),
    ]

    def runs(self) -> list[str]:
        """The runs of all curves."""
        return keys_in(run for curves in self.panels.values() for runs in curves.values() for run in runs)


class CurvesParams(Section):
    """Metrics along the runs of each curve, by the curve's label."""

    curves: Annotated[dict[str, Annotated[list[Key], Field(min_length=2)]], Field(min_length=1)]

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(metrics=keys_in(run for runs in self.curves.values() for run in runs))


class NeighboursFigureParams(Section):
    """Samples above their nearest neighbours: one study a block, by its title."""

    blocks: Annotated[dict[str, Key], Field(min_length=1)]
    columns: PositiveInt


class StudyFigureParams(Section):
    """A picture of one study: a variation of the gradient scale, or an interpolation."""

    study: Key

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(studies=[self.study])


class LikelihoodFigureParams(Section):
    """Terms of L_vlb against the timestep: a curve a study, by its label."""

    curves: Annotated[dict[str, Key], Field(min_length=1)]

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(studies=keys_in(self.curves.values()))


class PanelParams(Section):
    """A panel of a comparison: samples of a run, or images of a dataset."""

    run: Key | None = None
    dataset: Key | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.run is None) == (self.dataset is None):
            raise ValueError(f"exactly one of run and dataset must be given, not {'both' if self.run else 'neither'}")
        return self


class ComparisonParams(Section):
    """Panels side by side, by their titles, in rows by theirs; `columns` images a panel, `lines` of them.

    Those among `comparisons` show runs alone, those among `diversities` datasets as well.
    """

    rows: Annotated[dict[str, Annotated[dict[str, PanelParams], Field(min_length=1)]], Field(min_length=1)]
    columns: PositiveInt
    lines: PositiveInt

    def needs(self) -> Needs:
        """What it is made from."""
        panels = [panel for row in self.rows.values() for panel in row.values()]
        return Needs(
            samples=keys_in(panel.run for panel in panels if panel.run),
            data=keys_in(panel.dataset for panel in panels if panel.dataset),
        )


class ClassGridParams(Section):
    """Samples of chosen classes: one row a class, `columns` images each."""

    run: Key
    classes: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    names: list[str] | None = None
    columns: PositiveInt

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(samples=[self.run])

    @model_validator(mode="after")
    def _one_name_a_class(self) -> Self:
        if self.names is not None and len(self.names) != len(self.classes):
            raise ValueError(f"names has {len(self.names)} entries, but classes has {len(self.classes)}")
        return self


class RandomGridParams(Section):
    """The first samples of a run."""

    run: Key
    rows: PositiveInt
    columns: PositiveInt

    def needs(self) -> Needs:
        """What it is made from."""
        return Needs(samples=[self.run])


class AbsentParams(Section):
    """A figure that this scale cannot draw."""

    reason: Reason

    def needs(self) -> Needs:
        """Nothing."""
        return Needs()


class FiguresParams(Section):
    """The figures by what is drawn; each stands once.

    DVC knows no list of dependencies, so each kind is a stage of its own, with the folders that it reads.
    """

    ablations: dict[Key, AblationParams]
    trade_offs: dict[Key, CurvesParams]
    temperatures: dict[Key, CurvesParams]
    neighbours: dict[Key, NeighboursFigureParams]
    variations: dict[Key, StudyFigureParams]
    interpolations: dict[Key, StudyFigureParams]
    likelihoods: dict[Key, LikelihoodFigureParams]
    comparisons: dict[Key, ComparisonParams]
    diversities: dict[Key, ComparisonParams]
    class_grids: dict[Key, ClassGridParams]
    random_grids: dict[Key, RandomGridParams]
    absent: dict[Key, AbsentParams]

    def of_kind(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Kinds, with the figures of each."""
        return ((kind, getattr(self, kind)) for kind in type(self).model_fields)

    def kind_of(self, figure: str) -> str:
        """The kind of a figure."""
        return next(kind for kind, figures in self.of_kind() if figure in figures)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        found: dict[str, str] = {}
        for kind, figures in self.of_kind():
            for figure in figures:
                if figure not in FIGURES:
                    raise ValueError(f"{figure!r} under {kind} is no figure; there are {', '.join(FIGURES)}")
                if figure in found:
                    raise ValueError(f"{figure!r} stands twice, under {found[figure]} and {kind}; each stands once")
                found[figure] = kind
        for figure in FIGURES:
            if figure not in found:
                raise ValueError(f"{figure!r} is missing; where it cannot be drawn, put it under absent with a reason")
        return self
