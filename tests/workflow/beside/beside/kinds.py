"""Two kinds of jobs of a package beside adm: one trains a linear subspace of images, one draws samples of a run."""

from pydantic import PositiveInt

from adm.config.base import Seed
from adm.params.references import Dataset, Images
from adm.params.section import Section
from adm.pipeline import Kind


class SubspaceParams(Section):
    """The subspace of `rank` dimensions that images of a dataset are nearest to, trained by Oja's rule."""

    dataset: Dataset
    rank: PositiveInt = 4
    iterations: PositiveInt = 50
    learning_rate: float = 0.01
    seed: Seed = 0


class SheetParams(Section):
    """The first samples of a run in columns."""

    run: Images
    columns: PositiveInt = 4


SUBSPACE = Kind(
    name="subspace",
    help="Train a linear subspace of a dataset's images.",
    outputs={"out": "subspaces/{key}/"},
    section="subspaces",
    params=SubspaceParams,
    reads=("dataset",),
    libraries=("numpy",),
    stage="beside.subspace",
)
SHEET = Kind(
    name="sheet",
    help="Draw the first samples of a run.",
    outputs={"png": "sheets/{key}.png", "json": "sheets/{key}.json"},
    section="sheets",
    params=SheetParams,
    stage="beside.sheet",
    shown=".png",
)
