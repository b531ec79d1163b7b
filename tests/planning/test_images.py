"""Numbers of images: of folders that are here, of datasets that are known, and of what was prepared."""

import pytest
from PIL import Image

from adm.params import UserError
from adm.params.data import DatasetParams
from adm.planning.costs import images_of_dataset


@pytest.fixture
def photos(tmp_path):
    """A folder of three and two images in two classes, beside what are no images."""
    for name in ("cats/1.png", "cats/2.JPG", "cats/3.webp", "dogs/1.png", "dogs/2.jpeg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8)).save(path)
    for name in ("cats/notes.txt", "cats/.hidden.png", "readme.md"):
        (tmp_path / "photos" / name).write_text("no image")
    return DatasetParams(source="folder", root=str(tmp_path / "photos"), image_size=8, num_classes=2)


def test_a_folder_that_is_here_is_counted(photos):
    assert images_of_dataset("photos", photos) == 5
    assert images_of_dataset("photos", photos.model_copy(update={"classes": [1]})) == 2


def test_a_flat_folder_is_counted(photos):
    flat = {"source": "lsun", "root": f"{photos.root}/cats", "num_classes": 1}
    assert images_of_dataset("cats", photos.model_copy(update=flat)) == 3


def test_a_folder_that_does_not_fit_is_refused(photos):
    with pytest.raises(UserError, match="has 2 class folders, but num_classes is 3"):
        images_of_dataset("photos", photos.model_copy(update={"num_classes": 3}))


def test_datasets_that_are_not_here_are_known_by_name(embedded, paper):
    assert images_of_dataset("digits", embedded.datasets["digits"]) == 1797
    assert images_of_dataset("imagenet-64", paper.datasets["imagenet-64"]) == 1_281_167
    half = paper.datasets["imagenet-64"].model_copy(update={"classes": list(range(500))})
    assert images_of_dataset("half", half) == 640_584


def test_a_dataset_that_is_neither_here_nor_known_is_refused(photos):
    gone = photos.model_copy(update={"root": "somewhere/else"})
    with pytest.raises(UserError, match=r"^datasets\.mine\.root: 'somewhere/else'.*imagenet") as error:
        images_of_dataset("mine", gone)
    assert "\n" not in str(error.value)
