"""Sections of what is shown: tables and figures."""

from typing import Annotated

from pydantic import Field

from adm.params.section import Key, PositiveInt, Section


class TableParams(Section):
    """A table: the runs that are its rows, in order, all of one sweep."""

    sweep: Key
    rows: Annotated[list[Key], Field(min_length=1)]


class CurveParams(Section):
    """A trade-off plot over the runs of one sweep, in order."""

    sweep: Key
    rows: Annotated[list[Key], Field(min_length=2)]


class GridParams(Section):
    """A grid of samples of one run: one row a class, `columns` images each."""

    run: Key
    classes: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
    columns: PositiveInt


class TablesParams(Section):
    """The tables of the paper."""

    table_8: TableParams


class FiguresParams(Section):
    """The figures of the paper."""

    figure_6: CurveParams
    figure_21: GridParams
