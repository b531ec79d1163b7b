"""How many images datasets and batches have, without opening one."""

from pathlib import PurePosixPath

from adm.params.data import DatasetParams
from adm.params.errors import UserError
from adm.params.published import PublishedReferenceParams
from adm.params.schema import Params
from adm.planning.graph import Job, references_of

SOURCES = {"digits": 1_797, "idx": 60_000}
"""Images of the sources whose number is fixed: scikit-learn's digits, and the training sets in the format of MNIST."""

FOLDERS = {"imagenet": 1_281_167, "bedroom": 3_033_042, "horse": 2_000_340, "cat": 1_657_266}
"""Training images, by a folder on the way to them. Source: ILSVRC 2012; Yu et al. 2015 (LSUN)."""

PUBLISHED_REFERENCE = 10_000
"""Images of a reference batch in the released format."""


def images_of_dataset(dataset: DatasetParams) -> int:
    """The number of a prepared dataset's images; where it keeps some of the classes alone, all are taken to be alike.

    Raises:
        UserError: Nothing is known of the images under its root.
    """
    count = SOURCES.get(dataset.source) or _in_folder(str(dataset.root))
    if dataset.classes is not None:
        count = round(count * len(dataset.classes) / dataset.num_classes)
    return count if dataset.limit is None else min(count, dataset.limit)


def training_images_of(dataset: DatasetParams) -> int:
    """The number of those of its images that are not held out, about."""
    count = images_of_dataset(dataset)
    return count - int(count * dataset.held_out)


def images_of_reference(params: Params, reference: str) -> int:
    """The number of a reference batch's images."""
    section = references_of(params)[reference]
    if isinstance(section, PublishedReferenceParams):
        return section.num_images or PUBLISHED_REFERENCE
    return section.num_images


def images_of_job(params: Params, job: Job) -> int:
    """How many images a job goes through that prepares, fits or scores some, or computes features of them."""
    match job.rule:
        case "prepare":
            return images_of_dataset(params.datasets[job.key])
        case "dataset_features" | "reference":
            return images_of_dataset(params.datasets[params.references[job.key].dataset])
        case "reference_features" | "adopt_references":
            return images_of_reference(params, job.key)
        case "neighbours":
            return training_images_of(params.datasets[params.neighbours[job.key].dataset])
        case _:
            return params.scored[job.key].num_samples


def _in_folder(root: str) -> int:
    for part in PurePosixPath(root).parts:
        if part in FOLDERS:
            return FOLDERS[part]
    raise UserError(f"datasets: root {root!r} holds nobody knows how many images; known are {', '.join(FOLDERS)}")
