"""`adm new`: a params file from one look at a folder, or one line that says what is wrong with it."""

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft7Validator
from making import make
from PIL import Image

from adm.artifacts.manifest import read_manifest, write_manifest
from adm.config.files import INCEPTION
from adm.data.sources import SOURCES, held_out_of, looked_at, parts_of
from adm.dvc_file import check_stages
from adm.errors import UserError
from adm.nets.cost import network_cost
from adm.params import load
from adm.params.json_schema import render
from adm.params.load import read_yaml
from adm.pipeline import Pipeline
from adm.planning import recipe
from adm.sampling.guided import SeededNoise
from adm.stages import init
from adm.tools import new

FLOPS_A_SECOND = {"cpu": 5.0e10, "cuda": 3.0e13}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """An empty project on a machine with a GPU, whose speed is known."""

    def update_seconds(model, device, seconds=3.0, images=None):
        return 3 * network_cost(model).flops * model.training.batch_size / FLOPS_A_SECOND[device]

    def better_learned(extractor, images, labels, seconds):
        return extractor.model_copy(update={"learns": "classes" if labels.any() else "rotations"}), 0.03

    monkeypatch.setattr(recipe, "update_seconds", update_seconds)
    monkeypatch.setattr(new, "better_learned", better_learned)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("ADM_FILES", str(tmp_path / "files"))
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").touch()


def write_images(folder, count=45, side=32, mode="RGB"):
    """Noise, which of large images is coarse: as PNGs they are written sooner."""
    folder.mkdir(parents=True)
    drawn = min(side, 32)
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (count, drawn, drawn, 3), np.uint8)):
        image = Image.fromarray(pixels).convert(mode)
        image.resize((side, side), Image.Resampling.NEAREST).save(folder / f"{number:03d}.png")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    for name in ("no", "007"):
        write_images(folder / name)
    return folder


@pytest.fixture
def images(drawn, tmp_path):
    return shutil.copytree(drawn, tmp_path / "images")


def written(name="mine"):
    """The params of a scale that was written, which must hold what every scale must."""
    path = load_path(name)
    lines = path.read_text().splitlines()
    # Further grids are of classes that one grid has no room for, and many classes have many counts.
    assert sum("like: grid" in line for line in lines) * 2 + 35 >= len(lines) - ("class_counts" in "".join(lines))
    # Nothing breaks a path.
    assert max(len(line) for line in lines if "://" not in line) <= 120
    assert not list(Draft7Validator(json.loads(render())).iter_errors(read_yaml(path)))
    params = load(path)
    check_stages(path.with_name("dvc.yaml"), path, Pipeline(params))
    assert all(model.network.channels // model.network.groups >= 4 for model in params.models.values())
    return params


def load_path(name):
    return Path("scales", name, "params.yaml")


def test_classes_are_learned_guided_by_and_named(adm, images):
    code, out, _ = adm("new", "mine", "--images", images, "--size", 32)
    assert code == 0
    assert out.count("45") >= 2
    params = written()
    assert params.datasets["images"].root == "images"
    assert params.datasets["images"].num_classes == params.models["model"].network.num_classes == 2
    assert [params.runs[f"scale-{end}"].cfg_scale for end in ("1", "1_25", "1_5", "2", "3")] == [1, 1.25, 1.5, 2, 3]
    assert params.models["model"].network.level_channels[:2] == [16, 32]  # in minutes, narrow at full size
    assert params.models["model"].training.optimizer == "muon"
    assert params.models["model"].training.label_dropout > 0
    assert params.models["model"].training.annealing == params.models["model"].checkpoints[-1]
    assert params.figures["grid"].classes == [0, 1]
    assert params.references["images"].extractor in params.extractors
    # A fifth of 90 images is held out, and their loss is measured of every checkpoint.
    assert {study.part for study in params.likelihoods.values()} == {"held_out"}
    assert max(study.num_images for study in params.likelihoods.values()) <= 18
    assert len(params.tables["training"].losses) == len(params.tables["training"].rows) == 4
    iterations = [params.iteration_of(params.checkpoint_of(run)) for run in params.tables["training"].rows.values()]
    assert np.diff(np.log2(iterations)).tolist() == [1, 1, 1]


def test_what_is_left_out_is_counted_and_a_sheet_shows_what_is_trained(adm, images):
    for name in ("a.txt", "b.txt", "c.mov", "deeper/d.jpg"):
        (images / "no" / name).parent.mkdir(exist_ok=True)
        (images / "no" / name).write_text("")
    clear = np.zeros((32, 32, 4), np.uint8)
    Image.fromarray(clear).save(images / "007" / "clear.png")
    code, out, _ = adm("new", "mine", "--images", images, "--size", 32, "--background", "#ff0000")
    assert code == 0
    assert "left out: 2 .txt, 1 .mov, 1 .jpg" in out
    assert written().datasets["images"].background == "#ff0000"
    with Image.open("scales/mine/images.png") as sheet:
        reds = (np.asarray(sheet.convert("RGB")) == [255, 0, 0]).all(axis=2)
    assert reds.sum() >= 32 * 32


def test_a_table_tells_among_how_many_images_copies_are_sought(adm, images, monkeypatch):
    fill = new.params_text
    monkeypatch.setattr(new, "params_text", lambda wanted, *given: fill(replace(wanted, num_images=48_000), *given))
    assert adm("new", "many", "--images", images, "--size", 32)[0] == 0
    monkeypatch.setattr(new, "params_text", fill)
    assert adm("new", "mine", "--images", images, "--size", 32)[0] == 0
    many = load("scales/many/params.yaml")
    assert many.references["images"].num_images == 10_000
    assert "10,000 of 48,000" in many.tables["training"].caption
    assert "images" not in written().tables["training"].caption


@pytest.mark.parametrize(("most", "is_watched"), [(90, True), (89, False)])
def test_a_large_folder_is_watched_only_where_one_writes_so(adm, images, monkeypatch, most, is_watched):
    monkeypatch.setattr(new, "MOST_WATCHED", most)
    assert adm("new", "mine", "--images", images, "--size", 16)[0] == 0
    assert written().datasets["images"].watched == is_watched


def test_near_duplicates_are_told_and_the_rest_is_planned_for(adm, images):
    for number in range(12):
        with Image.open(images / "no" / f"{number:03}.png") as image:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(images / "no" / f"{number:03}-mirrored.png")
    code, out, _ = adm("new", "mine", "--images", images, "--size", 32)
    assert code == 0
    assert "102 near-duplicates in 45 groups: 007/000.png = no/000-mirrored.png = no/000.png" in out.replace("\n", "")
    params = written()
    # A reference of all images that are trained on exists only if as many are planned for as `prepare` gives.
    dataset = params.datasets["images"]
    source, alike = looked_at(SOURCES["folder"](dataset), dataset)
    parts = parts_of(source, dataset, alike)
    assert params.references["images"].num_images == len(parts["training"])


def test_grids_find_as_many_samples_of_each_class_as_they_show(adm, images):
    adm("new", "mine", "--images", images, "--size", 32, "--hours", 0.2)
    params = written()
    grid = params.figures["grid"]
    drawn = Counter(SeededNoise(range(params.scored[grid.run].num_samples)).labels(2).tolist())
    assert min(drawn.values()) >= grid.columns > 1


def test_samples_have_unequal_classes_as_often_as_the_images_that_train(adm, images):
    assert adm("new", "equal", "--images", images, "--size", 32)[0] == 0
    write_images(images / "rare", count=9)
    assert adm("new", "mine", "--images", images, "--size", 32)[0] == 0
    write_images(images / "single", count=1)  # too few for a class, where there are classes
    assert adm("new", "unlabelled", "--images", images, "--size", 32, "--unlabelled")[0] == 0
    shutil.rmtree(images / "single")
    params = written()
    dataset = params.datasets["images"]
    source, alike = looked_at(SOURCES["folder"](dataset), dataset)
    trained = parts_of(source, dataset, alike)["training"]
    for run in params.runs.values():
        assert run.class_counts == np.bincount(source.labels[trained]).tolist()
    # The rare class leaves cells empty, and takes none from the others.
    assert params.figures["grid"].columns == new.COLUMNS
    for name in ("equal", "unlabelled"):
        assert all(run.class_counts is None for run in load(f"scales/{name}/params.yaml").runs.values())


def test_a_class_of_which_all_is_held_out_is_refused(refused, images):
    (images / "alike").mkdir()
    for number in range(5):
        shutil.copy(images / "no" / "000.png", images / "alike" / f"{number}.png")
    assert "class 'alike'" in refused("new", "mine", "--images", images, "--size", 32)


def test_losses_are_of_no_more_images_than_near_duplicates_let_be_held_out(adm, images):
    for number in range(60):
        shutil.copy(images / "no" / "001.png", images / "no" / f"copy-{number}.png")
    assert adm("new", "mine", "--images", images, "--size", 32)[0] == 0
    params = written()
    dataset = params.datasets["images"]
    source, alike = looked_at(SOURCES["folder"](dataset), dataset)
    held_out = parts_of(source, dataset, alike)["held_out"]
    assert {study.num_images for study in params.likelihoods.values()} == {len(held_out)}


def test_images_that_near_duplicates_leave_too_few_of_to_hold_out_are_refused(refused, tmp_path):
    write_images(tmp_path / "images", count=12)
    for number in range(12):
        for copied in range(40):
            shutil.copy(tmp_path / "images" / f"{number:03d}.png", tmp_path / "images" / f"copy-{copied}.png")
        assert "near-duplicates" in refused(
            "new", "mine", "--images", tmp_path / "images", "--size", 32, "--unlabelled"
        )


def test_each_of_many_classes_has_a_row_in_a_grid(adm, images):
    for number in range(40):
        write_images(images / f"a class, {number}", count=5)
    adm("new", "mine", "--images", images, "--size", 32)
    grids = [figure for figure in written().figures.values() if figure.kind == "class_grid"]
    assert sorted(number for grid in grids for number in grid.classes) == list(range(42))
    assert len({grid.run for grid in grids}) == 1
    assert max(len(grid.classes) for grid in grids) <= 20


@pytest.mark.parametrize("is_flat", [True, False])
def test_without_labels_there_is_no_guidance(is_flat, adm, images):
    folder = images / "no" if is_flat else images
    code, _, _ = adm("new", "mine", "--images", folder, "--size", 32, "--unlabelled")
    assert code == 0
    params = written()
    assert params.models.keys() == {"model"}
    assert params.models["model"].network.num_classes is None
    # An extractor needs something to tell apart.
    assert (params.extractors["features"].learns == "rotations") is is_flat


def test_clusters_take_the_place_of_classes_that_there_are_not(adm, tmp_path):
    """As often as `prepare` finds images of each to train on, of which near-duplicates go together."""
    write_images(tmp_path / "flat", count=170)
    for number in range(30):
        shutil.copy(tmp_path / "flat" / f"{number % 7:03d}.png", tmp_path / "flat" / f"copy-{number}.png")
    code, out, _ = adm("new", "mine", "--images", tmp_path / "flat", "--size", 32, "--unlabelled")
    assert code == 0
    assert "4 clusters" in out
    params = written()
    dataset = params.datasets["images"]
    assert (dataset.source, dataset.num_classes, params.models["model"].network.num_classes) == ("lsun", 4, 4)
    assert params.extractors["features"].learns == "rotations"
    assert params.figures["grid"].kind == "random_grid"  # clusters have no names
    assert len(params.runs) > 4  # it guides itself
    source, alike = looked_at(SOURCES["lsun"](dataset), dataset)
    counts = np.bincount(source.labels[parts_of(source, dataset, alike)["training"]], minlength=4).tolist()
    assert max(counts) - min(counts) > 1
    assert {tuple(run.class_counts) for run in params.runs.values()} == {tuple(counts)}


def test_a_cluster_of_which_all_is_held_out_is_refused(refused, tmp_path):
    """Of 54 images one has as many copies, which are one cluster of two; it is one of the held-out ones."""
    write_images(tmp_path / "flat", count=54)
    images, labels = np.arange(108), np.zeros(108, np.int64)
    chosen = next(one for one in range(54) if held_out_of(labels, 0.2, np.where(images < 54, images, one))[one])
    for number in range(54):
        shutil.copy(tmp_path / "flat" / f"{chosen:03d}.png", tmp_path / "flat" / f"copy-{number}.png")
    told = refused("new", "mine", "--images", tmp_path / "flat", "--size", 32, "--unlabelled")
    assert "all images of cluster" in told
    assert not Path("scales/mine").exists()


def test_grey_images_are_seen_in_one_channel(adm, images):
    adm("new", "mine", "--images", images, "--size", 32, "--channels", 1)
    params = written()
    assert params.datasets["images"].channels == 1
    assert {model.network.image_channels for model in params.models.values()} == {1}


@pytest.mark.parametrize("folder", ["downloads", "files"])
def test_the_graph_of_2015_is_taken_where_it_was_fetched(adm, images, tmp_path, folder):
    (tmp_path / folder).mkdir()
    path = tmp_path / folder / INCEPTION.filename
    with path.open("wb") as file:
        file.truncate(INCEPTION.size)
    adm("new", "mine", "--images", images, "--size", 32)
    params = written()
    assert not params.extractors
    assert params.published.graphs["inception"].url == path.as_uri()
    assert params.extractor_of("scale-1") == "inception"


@pytest.mark.slow
def test_some_thirty_lines_are_enough_for_the_longest(adm, tmp_path):
    for number in range(12):
        write_images(tmp_path / "images" / f"a class of a rather long name, {number}", count=6, side=512)
    with (tmp_path / INCEPTION.filename).open("wb") as file:
        file.truncate(INCEPTION.size)
    options = ("--device", "cuda", "--channels", 1, "--hours", 500)
    code, _, _ = adm("new", "mine", "--images", tmp_path / "images", "--size", 512, *options)
    assert code == 0
    params = written()
    assert params.resources.train.device == "cuda"
    assert params.models["model"].training.precision == "float16"


@pytest.mark.slow
def test_more_hours_train_more(adm, images, tmp_path):
    for name in range(50):
        shutil.copytree(images / "no", images / f"more-{name}")
    trained = []
    for number, hours in enumerate((0.3, 30)):
        adm("new", f"scale-{number}", "--images", images, "--size", 16, "--hours", hours)
        model = written(f"scale-{number}").models["model"]
        seen = model.checkpoints[-1] * model.training.batch_size
        trained.append(3 * seen * network_cost(model).flops)
        # Training is most of the time, and never all of it.
        assert 0.3 < trained[-1] / FLOPS_A_SECOND["cpu"] / (3600 * hours) < 0.97
    assert trained == sorted(trained)


@pytest.fixture
def pretrained(tmp_path, tiny_model):

    def made(kind="diffusion", **changes):
        make(init, tiny_model(kind, image_size=16, groups=8, **changes), out := tmp_path / kind)
        return out

    return made


LINEAR = {"schedule": "linear", "timesteps": 1000}
"""The defaults of noise, which a section does not write out."""


def test_what_is_fine_tuned_is_the_source_with_classes_of_its_own(adm, images, pretrained):
    file = Path("a.safetensors")
    assert adm("export", pretrained(num_classes=5), file)[0] == 0
    for name, source in (("exported", file), ("mine", pretrained(num_classes=5, **LINEAR))):
        code, _, err = adm("new", name, "--images", images, "--from", source, "--channels", 1)
        assert (code, err) == (0, "")
        params = written(name)
        assert params.models.keys() == {"source", "model"}
        model = params.models["model"]
        assert model.start.checkpoint == "pretrained"
        assert not model.start.keep_classes
        assert params.models["source"].network.num_classes == 5
        assert model.network == params.models["source"].network.model_copy(
            update={"num_classes": 2, "image_channels": 1}
        )
        assert params.datasets["images"].image_size == 16
        scales = [params.runs[run].guide for run in params.runs if run.startswith("scale-")]
        assert [guide.scale for guide in scales] == [1, 1.25, 1.5, 2]
        # What it begins with is the source, of any class, in its own channels.
        assert {guide.checkpoint for guide in scales} == {"model-0"}
        assert model.training.optimizer == "adamw"
        assert model.training.annealing is None
        narrow = recipe.WIDTHS[-1].learning_rate
        assert narrow / 10 <= model.training.learning_rate <= narrow / 3


def test_classes_are_kept_of_a_source_that_has_the_same(adm, images, pretrained, tmp_path, refused):
    folder = pretrained()
    adm("new", "mine", "--images", images, "--from", folder, "--keep-classes")
    assert written().models["model"].start.keep_classes
    adm("new", "unlabelled", "--images", images, "--from", folder, "--unlabelled")
    assert written("unlabelled").models["model"].network.num_classes is None
    made_by = read_manifest(folder).model_dump(exclude={"facts", "files"})
    write_manifest(folder, made_by, {"step": 0, "class_names": ["yes", "no"]})
    assert "yes, no" in refused("new", "named", "--images", images, "--from", folder, "--keep-classes")
    assert not (tmp_path / "scales/named").exists()


NO_SOURCES = {
    "another size": ({}, ("--size", 32), "--size 32: does not fit diffusion, whose images are 16x16"),
    "a classifier": ({"kind": "classifier"}, (), "'classifier'"),
    "other classes": ({"num_classes": 3}, ("--keep-classes",), "--keep-classes"),
    "no classes": ({}, ("--keep-classes", "--unlabelled"), "--keep-classes"),
}


@pytest.mark.parametrize("case", NO_SOURCES)
def test_what_cannot_be_fine_tuned_is_told_in_a_line(refused, images, pretrained, tmp_path, case):
    changes, options, named = NO_SOURCES[case]
    assert named in refused("new", "mine", "--images", images, "--from", pretrained(**changes).name, *options)
    assert not (tmp_path / "scales").exists()


@pytest.mark.parametrize("options", [(), ("--size", 32, "--keep-classes"), ("--size", 32, "--from", "64x64_diffusion")])
def test_what_no_source_gives_is_told_before_anything_is_fetched(refused, tmp_path, options):
    err = refused("new", "mine", "--images", tmp_path / "none", *options)
    assert err.startswith("--")


def unreadable(images):
    content = (images / "no" / "000.png").read_bytes()
    for number in range(7):
        (images / "no" / f"cut-{number}.png").write_bytes(content[: len(content) // 2])


def too_small(images):
    Image.new("RGB", (64, 31)).save(images / "no" / "low.png")


def empty_class(images):
    (images / "cat").mkdir()


def few_of_a_class(images):
    write_images(images / "cat", count=2)


def few(images):
    for number in range(15, 45):
        for name in ("no", "007"):
            (images / name / f"{number:03d}.png").unlink()


def large(images):
    for name in ("no", "007"):
        shutil.rmtree(images / name)
        write_images(images / name, count=20, side=512)


BROKEN = {
    "no folder": (shutil.rmtree, (), "images: is no folder"),
    "empty class": (empty_class, (), "cat"),
    "one class": (lambda images: shutil.rmtree(images / "no"), (), "--unlabelled"),
    "cut files": (unreadable, (), "cut-0.png"),
    "too small": (too_small, (), "low.png (64x31)"),
    "few of a class": (few_of_a_class, (), "'cat' has 2"),
    "few": (few, (), "has 30 images; 40 are the fewest"),
    "size that does not halve": (None, ("--size", 36), "36"),
    "two channels": (None, ("--channels", 2), "--channels 2"),
    "too slow for the size": (large, ("--size", 512), "--hours 1"),
    "no time": (None, ("--hours", 0.001), "--hours 0.001"),
    "a folder without the rules": (lambda images: Path("Snakefile").unlink(), (), "Snakefile"),
}


@pytest.mark.parametrize(("damage", "options", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_what_will_not_do_is_told_in_a_line_and_nothing_is_written(damage, options, named, refused, images, tmp_path):
    if damage:
        damage(images)
    assert named in refused("new", "mine", "--images", images, "--size", 32, *options)
    assert not (tmp_path / "scales").exists()


@pytest.mark.parametrize("num_classes", [None, 5])
@pytest.mark.parametrize("cores", [1, 2, 8])
@pytest.mark.parametrize("speed", [3.0e7, 2.0e8, 1.0e9])
def test_the_least_hours_that_are_told_are_enough(num_classes, cores, speed, monkeypatch):
    monkeypatch.setitem(FLOPS_A_SECOND, "cpu", speed)
    wanted = recipe.Request(32, 3, num_classes, 1000, "cpu", 0.1, cores, scored_by_inception=False)
    with pytest.raises(UserError, match=r"; (\S+) or more is accepted") as told:
        recipe.choose(wanted)
    least = float(re.search(r"(\S+) or more", str(told.value))[1])
    enough = recipe.choose(replace(wanted, hours=least))
    assert enough.iterations >= recipe.FEWEST_UPDATES
    assert enough.iterations % 8 == 0
    with pytest.raises(UserError):
        recipe.choose(replace(wanted, hours=0.9 * least))


@pytest.mark.parametrize(("name", "images"), [("48,000 garments", "fashion"), ("1,528 emoji", "emoji")])
def test_what_such_trainings_reached_is_what_was_measured(name, images, root):
    ours = pd.read_csv(root / f"docs/quality_{images}.csv").query("contender == 'adm new'")
    assert recipe.REACHED[name] == ours.groupby("updates").fid_held_out.median().round(1).to_dict()


@pytest.mark.parametrize("hours", [0.05, 0.2, 1.0])
def test_what_was_reached_is_told_of_trainings_that_were_no_longer(hours):
    choice = recipe.choose(recipe.Request(32, 3, 5, 1000, "cpu", hours, 1, scored_by_inception=False))
    told = " ".join(recipe.reached(choice))
    lengths = [int(length) for length in re.findall(r"in (\d+) iterations", told)]
    shorter = [[length for length in fids if length <= choice.iterations] for fids in recipe.REACHED.values()]
    assert lengths == [max(each) for each in shorter if each]


@pytest.mark.parametrize(
    "other", [{"image_size": 64}, {"image_size": 16}, {"num_classes": None}, {"device": "cuda"}, {"hours": 100}]
)
def test_nothing_is_told_of_other_networks_than_were_measured(other):
    small = recipe.Request(32, 3, 5, 1000, "cpu", 1.0, 1, scored_by_inception=False)
    assert recipe.reached(recipe.choose(small))
    assert not recipe.reached(recipe.choose(replace(small, **other)))


def test_a_gpu_that_there_is_not_is_a_line_and_nothing_is_written(refused, images, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "--device cuda" in refused("new", "mine", "--images", images, "--size", 32, "--device", "cuda")
    assert not (tmp_path / "scales").exists()


@pytest.mark.parametrize("name", ["Mine", "a b", "../up", "", "_"])
def test_names_become_folders(name, refused, images, tmp_path):
    refused("new", name, "--images", images, "--size", 32)
    assert not (tmp_path / "scales").exists()


@pytest.mark.parametrize("name", ["embedded", "published"])
def test_results_of_another_params_file_are_never_written_over(name, refused, images, tmp_path):
    (tmp_path / "params.yaml").write_text("paths: {results: results/embedded}\n")
    assert f"results/{name}" in refused("new", name, "--images", images, "--size", 32)
    assert not load_path(name).exists()


@pytest.mark.parametrize("name", ["params.yaml", "dvc.yaml", "images.png"])
def test_what_is_there_is_never_written_over(name, refused, images):
    there = load_path("mine").with_name(name)
    there.parent.mkdir(parents=True)
    there.write_text("mine")
    assert str(there) in refused("new", "mine", "--images", images, "--size", 32)
    assert [path.read_text() for path in there.parent.iterdir()] == ["mine"]
