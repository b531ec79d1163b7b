"""Pictures of a page: figures, vector drawings where they are plots and pixels where they show images; and training."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from adm.artifacts.reading import readable
from adm.report.figures import COLORS, DPI, STYLE

CSS_INCH = 96
"""Pixels of a page in an inch."""

POINTS = 400
"""The most points of a curve."""


@dataclass(frozen=True)
class Picture:
    """A figure as an image of a page.

    Attributes:
        source: A data URI.
        width: In pixels of the page.
        height: As the width; an image that is higher shows its upper part alone.
        caption: The caption that the figure's file holds; "" if it holds none.
    """

    source: str
    width: int
    height: int
    caption: str = ""


def picture(files: Mapping[str, Path]) -> Picture | None:
    """Show a figure as an image of a page; None if there is no file to show.

    Of its files those that exist are given, by ending.

    Raises:
        UserError: A file is no image.
    """
    drawing = None
    if "svg" in files:
        drawing, has_pixels = _of_svg(files["svg"].read_bytes(), str(files["svg"]))
        if not has_pixels:
            return drawing
    if "png" not in files:
        return None
    pixels = _of_png(files["png"].read_bytes(), str(files["png"]))
    # Below the drawing the png has its caption, which the page shows as text.
    return replace(drawing, source=pixels.source) if drawing else pixels


def _of_svg(content: bytes, name: str) -> tuple[Picture, bool]:
    """Show a drawing as an image of a page; tell whether it holds pixels."""
    with readable(name, "is no drawing as this version writes it"):
        root = ElementTree.fromstring(content)  # noqa: S314
        points = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
        width, height = (round(side * (CSS_INCH / 72)) for side in points)
    caption = root.findtext(".//{http://purl.org/dc/elements/1.1/}description") or ""
    has_pixels = root.find(".//{http://www.w3.org/2000/svg}image") is not None
    return Picture(f"data:image/svg+xml;base64,{b64encode(content).decode()}", width, height, caption), has_pixels


def _of_png(content: bytes, name: str) -> Picture:
    with readable(name, "is no readable png"), Image.open(BytesIO(content)) as image:
        width, height = (round(side * CSS_INCH / DPI) for side in image.size)
    return Picture(f"data:image/png;base64,{b64encode(content).decode()}", width, height)


def pixels_of(figure: Figure) -> Picture:
    """Show a figure of images as an image of a page."""
    figure.savefig(written := BytesIO(), format="png", metadata={"Software": None})
    return _of_png(written.getvalue(), "the drawing")


def training_curves(log: pd.DataFrame) -> Picture:
    """Draw the curves of a training, a panel a column; points beyond POINTS are joined into means."""
    group = log.index // -(-len(log) // POINTS)
    rows = log.groupby(group).mean(numeric_only=True)
    panels = {"loss": "Loss", "gradient_norm": "Gradient norm"}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * len(panels), 2.1), layout="constrained")
        for axes, (name, label) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
            axes.plot(rows["step"], rows[name], color=COLORS[0], marker="o" if len(rows) < 2 else "")
            axes.set(xlabel="Iteration", ylabel=label)
            axes.locator_params(nbins=5)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return _of_svg(written.getvalue(), "the drawing")[0]
