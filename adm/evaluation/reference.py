"""References to score against: a batch in the released format, or images from an npz or a folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adm.artifacts.manifest import sha256
from adm.artifacts.reading import names_in_npz
from adm.data.images import Images, open_images, open_npz
from adm.errors import UserError
from adm.metrics.reference_statistics import STATISTICS, read_published_statistics
from adm.metrics.statistics import FeatureStatistics


@dataclass(frozen=True, eq=False)
class Reference:
    """Stored statistics, images, or both; stored statistics may come from many more images.

    Attributes:
        path: The npz or the folder.
        stored: Statistics of pooled and of spatial features; None if they must be computed from the images.
        images: The images; None if there are only statistics.
    """

    path: Path
    stored: tuple[FeatureStatistics, FeatureStatistics] | None
    images: Images | None

    def describe(self) -> dict[str, Any]:
        """Facts about the reference for the record of a score."""
        images = self.images
        return {
            **(images.describe() if images else {"name": self.path.name, "sha256": sha256(self.path), "num_images": 0}),
            "statistics": "stored" if self.stored else "of the images",
        }


def open_reference(path: Path) -> Reference:
    """Open a reference; statistics in an npz are used and not computed again.

    Raises:
        UserError: It holds neither images nor statistics, only some of the statistics, or statistics that do not fit.
    """
    if path.is_dir() or not path.is_file():
        return Reference(path, None, open_images(path))
    names = names_in_npz(path)
    found = [name for name in STATISTICS if name in names]
    if not found and "arr_0" not in names:
        raise UserError(
            f"{path}: holds {', '.join(names) or 'nothing'}; a reference has {', '.join(STATISTICS)} or arr_0"
        )
    if missing := [name for name in STATISTICS if found and name not in names]:
        raise UserError(f"{path}: holds {', '.join(found)}, but not {', '.join(missing)}; statistics need all four")
    stored = read_published_statistics(path) if found else None
    return Reference(path, stored, open_npz(path) if "arr_0" in names else None)
