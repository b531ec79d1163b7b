"""What a page shows, before any file is read."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adm.params.schema import Params

FOLDER = Path(__file__).with_name("templates")
"""The folder of templates, of the page's style sheet and of its script."""


@dataclass(frozen=True)
class Exhibit:
    """A table, a figure, or a group of claims.

    Attributes:
        kind: What it is.
        key: Its key; of claims the name of their group.
        caption: Its caption in the params file, or the paper's; "" for claims.
        command: The command that makes it.
        files: Its files, by their endings without the dot; some or all may not exist.
        stale: Why it would be made again; "" if it would not.
    """

    kind: Literal["claims", "table", "figure"]
    key: str
    caption: str
    command: str
    files: Mapping[str, Path]
    stale: str = ""

    @property
    def anchor(self) -> str:
        """Its id in the page."""
        return f"{self.kind}-{self.key}"

    @property
    def existing(self) -> dict[str, Path]:
        """Its files that exist, by their endings."""
        return {ending: path for ending, path in self.files.items() if path.is_file()}


@dataclass(frozen=True)
class Content:
    """The content of a page.

    Attributes:
        name: The name of the scale.
        params: The sections of the params file.
        written: The params file, written out.
        exhibits: In the order of the params file.
        logs: The logs of each model's training, in order, by the model's key; some or all may not exist.
        scores: The scores of each run that a grid shows, by its key; some or all may not exist.
        everything: The command that makes all that it shows.
        sheet: A contact sheet of the images that are trained on, which may not exist.
        compared: How it compares with what is published of the scale, in lines; none if nothing is.
    """

    name: str
    params: Params
    written: str
    exhibits: Sequence[Exhibit]
    logs: Mapping[str, Sequence[Path]]
    scores: Mapping[str, Path]
    everything: str
    sheet: Path
    compared: Sequence[str] = ()


def digest_of_parts(names: str = "*") -> str:
    """Hash the templates, style sheet and script of such names, which the digest of the code does not cover."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(FOLDER.glob(names)))).hexdigest()[:16]
