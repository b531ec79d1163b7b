"""Numbers of images of datasets, without decoding any image."""

from pathlib import Path, PurePosixPath

from adm.data.sources import SOURCES, parts_of
from adm.params import UserError
from adm.params.data import DatasetParams
from adm.pipeline import Pipeline
from adm.pipeline.cost import Counts

FIXED = {"digits": 1_797, "idx": 60_000}
"""Images of sources with a fixed number: scikit-learn's digits, and training sets in the format of MNIST."""

FOLDERS = {"imagenet": 1_281_167, "bedroom": 3_033_042, "horse": 2_000_340, "cat": 1_657_266}
"""Numbers of training images, by a folder in their path. Source: ILSVRC 2012; Yu et al. 2015 (LSUN)."""


def count_images(pipeline: Pipeline) -> Counts:
    """Count the images that the jobs of a params file process.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    counts, listed = dict[str, int](), dict[str, int]()
    for key, dataset in pipeline.params.datasets.items():
        # A folder is listed only once, even if its images are prepared or read at several sizes.
        same = dataset.model_dump_json(exclude={"image_size", "shard_size", "stored", "of"})
        if same not in listed:
            listed[same] = images_of_dataset(key, dataset)
        counts[key] = listed[same]
    return Counts(pipeline.params, counts)


def images_of_dataset(key: str, dataset: DatasetParams) -> int:
    """Count the images that a dataset keeps.

    They are counted if the root exists. Otherwise the number is that of a dataset with a known name; if only some
    classes are kept, all classes are assumed to have equally many images.

    Raises:
        UserError: The root does not exist and its name is unknown, or it does not fit the dataset's section.
    """
    if dataset.root is not None and Path(dataset.root).is_dir():
        return sum(map(len, parts_of(SOURCES[dataset.source](dataset), dataset).values()))
    known = (FOLDERS[part] for part in PurePosixPath(dataset.root or "").parts if part in FOLDERS)
    count = FIXED.get(dataset.source) or next(known, None)
    if count is None:
        raise UserError(
            f"datasets.{key}.root: {dataset.root!r} does not exist, so its images cannot be counted; accepted are a "
            f"folder that exists, or one with {', '.join(FOLDERS)} in its path, whose numbers of images are known"
        )
    if dataset.classes is not None:
        count = round(count * len(dataset.classes) / dataset.num_classes)
    return count
