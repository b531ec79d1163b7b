"""Pictures of a page: figures, vector drawings where they are plots and pixels where they show images; and training."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from adm.artifacts.seal import check_seal
from adm.errors import UserError, brief
from adm.report.figures import COLORS, STYLE

CSS_INCH = 96
"""Pixels of a page in an inch."""

POINT = CSS_INCH / 72
"""Pixels of a page in a point, the unit of a drawing."""

PNG_DPI = 200
"""Pixels of a figure's png in an inch."""

POINTS = 400
"""The most points of a curve."""

PANELS = {"loss": "Loss", "gradient_norm": "Gradient norm"}
"""The columns of a log that are drawn, with the labels of their axes."""

DESCRIPTION = ".//{http://purl.org/dc/elements/1.1/}description"
RASTER = "{http://www.w3.org/2000/svg}image"


@dataclass(frozen=True)
class Picture:
    """A figure as an image of a page.

    Attributes:
        source: A data URI.
        width: In pixels of the page.
        height: As the width; an image that is higher shows its upper part alone.
        caption: The caption that the figure's file holds; "" if it holds none.
        is_reduced: Whether it has fewer pixels than the figure's file.
    """

    source: str
    width: int
    height: int
    caption: str = ""
    is_reduced: bool = False


def picture(files: Mapping[str, Path], most: int) -> Picture | None:
    """Show a figure as an image of a page; None if there is no file to show.

    Args:
        files: Those of its files that exist, by ending.
        most: The largest number of bytes of the image.

    Raises:
        UserError: A file is no image.
    """
    drawing = None
    if "svg" in files:
        content = files["svg"].read_bytes()
        drawing, has_pixels = _of_svg(content, str(files["svg"]))
        if not has_pixels and len(content) <= most:
            return drawing
    if "png" not in files:
        return None
    pixels = _of_png(files["png"], most)
    # Below the drawing the png has its caption, which the page shows as text.
    return replace(drawing, source=pixels.source, is_reduced=pixels.is_reduced) if drawing else pixels


def _of_svg(content: bytes, name: str) -> tuple[Picture, bool]:
    """Show a drawing as an image of a page; tell whether it holds pixels."""
    try:
        root = ElementTree.fromstring(content)  # noqa: S314
        width, height = (round(float(root.attrib[side].removesuffix("pt")) * POINT) for side in ("width", "height"))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise UserError(f"{name}: is no drawing as this version writes it ({brief(error)})") from error
    drawing = Picture(_uri("svg+xml", content), width, height, root.findtext(DESCRIPTION) or "")
    return drawing, root.find(f".//{RASTER}") is not None


def _of_png(path: Path, most: int) -> Picture:
    """Show a png as an image of a page, reduced if it has more than `most` bytes."""
    try:
        content = path.read_bytes()
        is_reduced = len(content) > most
        with Image.open(BytesIO(content)) as opened:
            image = opened.convert("RGB") if is_reduced else opened
            width, height = opened.size
            factor = 1
            while len(content) > most and factor < min(width, height):
                factor += 1
                written = BytesIO()
                image.reduce(factor).save(written, "png", optimize=True)
                content = written.getvalue()
    except Exception as error:  # damaged bytes make PIL raise nearly anything
        raise UserError(f"{path}: is no readable png ({brief(error)})") from error
    width, height = (round(side * CSS_INCH / PNG_DPI) for side in (width, height))
    return Picture(_uri("png", content), width, height, is_reduced=is_reduced)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def read_log(path: Path) -> pd.DataFrame:
    """Read the log of a segment, each row the means since the row before.

    Raises:
        UserError: It is not what was written, or lacks a column or a row.
    """
    check_seal(path)
    try:
        log = pd.read_csv(path, comment="#")
        log[["step", "seconds", "images_per_second", "loss"]].iloc[-1].astype(float)
    except (ValueError, KeyError, IndexError) as error:
        raise UserError(f"{path}: is no training log as this version writes it ({brief(error)})") from error
    return log


def training_curves(log: pd.DataFrame) -> Picture:
    """Draw the curves of a training, a panel a column; points beyond POINTS are joined into means."""
    group = log.index // -(-len(log) // POINTS)
    rows = log.groupby(group).mean(numeric_only=True)
    panels = {name: label for name, label in PANELS.items() if name in rows}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.1 * len(panels), 2.1), layout="constrained")
        for axes, (name, label) in zip(
            figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True
        ):
            axes.plot(rows["step"], rows[name], color=COLORS[0], marker="o" if len(rows) < 2 else "")
            axes.set(xlabel="Iteration", ylabel=label)
            axes.locator_params(nbins=5)
        written = BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
    return _of_svg(written.getvalue(), "the drawing")[0]


def training_row(model: str, kind: str, logs: Sequence[pd.DataFrame]) -> dict[str, str]:
    """Tell of a training in a row of the table of trainings; every log is of a segment."""
    last = logs[-1].iloc[-1]
    rows = pd.concat(logs)
    return {
        "Model": model,
        "Kind": kind,
        "Iterations": f"{last['step']:.0f}",
        "Minutes": f"{sum(log['seconds'].iloc[-1] for log in logs) / 60:.1f}",
        "Images per second": f"{rows['images_per_second'].median():.0f}",
        "Last loss": f"{last['loss']:.4g}",
    }
