"""Views of stored files: what they take over, and what is refused."""

import pytest
import yaml

from adm.params import UserError, check, load

STORE = {"source": "folder", "root": "photos", "num_classes": 2, "stored": "files", "held_out": 0.2}
MODEL = {
    "kind": "classifier",
    "dataset": "small",
    "checkpoints": [4],
    "network": {"image_size": 8, "channels": 32, "channel_multiplier": [1], "heads": 1, "num_classes": 2},
    "training": {"batch_size": 4, "crop": "random"},
}

FIGURE = {"kind": "comparison", "caption": "Images.", "columns": 2, "lines": 2}


def content(**changes):
    datasets = {"photos": STORE, "small": {"of": "photos", "image_size": 8}}
    return {"datasets": datasets | changes.pop("datasets", {}), "models": {"judge": MODEL}, **changes}


def test_a_view_has_its_datasets_values_and_a_size_of_its_own():
    datasets = check(content(), "params.yaml").datasets
    assert datasets["small"].model_dump() == datasets["photos"].model_dump() | {"of": "photos", "image_size": 8}
    assert datasets["small"].prepared == datasets["photos"].prepared
    assert datasets["photos"].image_size is None


def test_views_are_swept_and_inherited(tmp_path):
    views = {"view": {"of": "photos", "sweep": {"image_size": [16, 32]}}}
    (tmp_path / "base.yaml").write_text(yaml.safe_dump(content(datasets=views)))
    (tmp_path / "params.yaml").write_text("base: base.yaml\ndatasets: {photos: {root: elsewhere}}\n")
    params = load(tmp_path / "params.yaml")
    assert {key: params.datasets[key].image_size for key in ("view-16", "view-32")} == {"view-16": 16, "view-32": 32}
    assert {dataset.root for dataset in params.datasets.values()} == {"elsewhere"}


SMALL = {"of": "photos", "image_size": 8}
DIGITS = {"source": "digits", "num_classes": 10}

# Changes of the datasets; then the place that is refused, and what the message names.
WRONG = {
    "of nothing": ({"small": SMALL | {"of": "photo"}}, "datasets.small.of: 'photo'", "photos"),
    "of a view": ({"more": SMALL | {"of": "small"}}, "datasets.more.of: 'small'", "photos"),
    "of pixels": ({"photos": STORE | {"stored": "pixels", "image_size": 8}}, "datasets.small.of: 'photos'", "'files'"),
    "a value of its own": ({"small": SMALL | {"held_out": 0.1}}, "datasets.small.held_out: 0.1", "'photos'"),
    "a view without a size": ({"small": {"of": "photos"}}, "models.judge.dataset: 'small' has no image_size", ""),
    "pixels without a size": ({"digits": DIGITS}, "datasets.digits: image_size is missing", ""),
    "files of no files": ({"digits": DIGITS | {"stored": "files"}}, "datasets.digits: stored 'files' is not", "folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_a_view_is_refused_in_a_line(case):
    changes, place, named = WRONG[case]
    with pytest.raises(UserError) as error:
        check(content(datasets=changes), "params.yaml")
    assert str(error.value).startswith(f"params.yaml: {place}")
    assert named in str(error.value)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"models": {"judge": MODEL | {"dataset": "photos"}}}, "models.judge.dataset"),
        ({"figures": {"f": FIGURE | {"rows": {"": {"x": {"dataset": "photos"}}}}}}, "figures.f.rows.x.dataset"),
    ],
)
def test_what_reads_images_names_a_view(changes, place):
    with pytest.raises(UserError, match=f"^params.yaml: {place}: 'photos' has no image_size.*small"):
        check(content(**changes), "params.yaml")


def test_larger_squares_leave_random_crops_room_only_where_pixels_are_stored():
    squares = {"source": "folder", "root": "photos", "num_classes": 2, "image_size": 10}
    assert check(content(datasets={"small": squares}), "params.yaml").datasets["small"].stored == "pixels"
