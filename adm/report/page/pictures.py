"""Figures as they stand in a page: vector drawings where they are plots, pixels where they show images."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image

from adm.errors import UserError, brief

CSS_INCH = 96
"""Pixels of a page in an inch."""

POINT = CSS_INCH / 72
"""Pixels of a page in a point, the unit of a drawing."""

PNG_DPI = 200
"""Pixels of a figure's png in an inch."""

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
    """A figure as an image of a page; None if there is no file to show.

    Args:
        files: Those of its files that exist, by ending.
        most: The largest number of bytes of the image.

    Raises:
        UserError: A file is no image.
    """
    drawing = _drawing(files["svg"]) if "svg" in files else None
    if drawing is not None and not drawing.has_pixels and len(drawing.content) <= most:
        return Picture(_uri("svg+xml", drawing.content), *drawing.size, drawing.caption)
    if "png" not in files:
        return None
    width, height, content, is_reduced = _pixels(files["png"], most)
    if drawing is None:
        return Picture(_uri("png", content), width, height, "", is_reduced)
    # Below the drawing the png has its caption, which the page shows as text.
    return Picture(_uri("png", content), *drawing.size, drawing.caption, is_reduced)


def drawn(content: bytes) -> Picture:
    """A drawing, the bytes of an svg, as an image of a page."""
    drawing = _parsed(content, "the drawing")
    return Picture(_uri("svg+xml", content), *drawing.size)


@dataclass(frozen=True)
class _Drawing:
    content: bytes
    size: tuple[int, int]
    caption: str
    has_pixels: bool


def _drawing(path: Path) -> _Drawing:
    try:
        return _parsed(path.read_bytes(), str(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _parsed(content: bytes, name: str) -> _Drawing:
    try:
        root = ElementTree.fromstring(content)  # noqa: S314
        width, height = (round(float(root.attrib[side].removesuffix("pt")) * POINT) for side in ("width", "height"))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise UserError(f"{name}: is no drawing as this version writes it ({brief(error)})") from error
    return _Drawing(content, (width, height), root.findtext(DESCRIPTION) or "", root.find(f".//{RASTER}") is not None)


def _pixels(path: Path, most: int) -> tuple[int, int, bytes, bool]:
    """The size in pixels of the page, the bytes of a png, and whether it had to be reduced to have at most `most`."""
    try:
        content = path.read_bytes()
        with Image.open(BytesIO(content)) as opened:
            image = opened.convert("RGB") if len(content) > most else opened
            width, height = opened.size
            size = round(width * CSS_INCH / PNG_DPI), round(height * CSS_INCH / PNG_DPI)
            is_reduced, factor = len(content) > most, 1
            while len(content) > most and factor < min(width, height):
                factor += 1
                written = BytesIO()
                image.reduce(factor).save(written, "png", optimize=True)
                content = written.getvalue()
    except Exception as error:  # damaged bytes make PIL raise nearly anything
        raise UserError(f"{path}: is no readable png ({brief(error)})") from error
    return *size, content, is_reduced


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
