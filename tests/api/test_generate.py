"""`adm generate`: images that the stage `sample` gives, kept when it is interrupted, and repeated by their json."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import adm as package
from adm.api import Sampling
from adm.artifacts.code import code_of
from adm.artifacts.released_files import holds_network
from adm.config.files import CHECKPOINTS
from adm.config.networks import UNetParams
from adm.config.samplers import fast
from adm.data.crops import centre_crop
from adm.data.decoding import as_grey
from adm.data.images import open_images
from adm.nets.presets import PRESETS
from adm.nets.release import preset_shapes

HOW = ("--steps", "3", "--seed", 7, "--threads", 1)


@pytest.fixture
def generate(adm, checkpoint, tmp_path):

    def run(*options, out="out", expected=0, source=None):
        code, printed, err = adm("generate", source or checkpoint(), *options, "--out", tmp_path / out)
        assert code == expected, err
        return printed if expected == 0 else err

    return run


def pixels(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())])


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_what_is_written(generate, checkpoint, tmp_path):
    options = ("--classifier", checkpoint("classifier"), "--scale", 2, "-n", 5, "--batch", 2)
    printed = generate("--class", 1, "--class", 0, *options, *HOW)
    model = package.load(checkpoint(), checkpoint("classifier"), device="cpu")
    expected = model.sample([1, 0], 5, scale=2.0, steps="3", seed=7, batch=2)
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["generate.json", "grid.png", "images", "samples.npz"]
    assert [path.name for path in sorted((out / "images").iterdir())] == [
        f"{number:06d}-{label}.png" for number, label in enumerate([1, 0, 1, 0, 1])
    ]
    np.testing.assert_array_equal(pixels(out), expected)
    with np.load(out / "samples.npz") as arrays:
        np.testing.assert_array_equal(arrays["arr_0"], expected)
        assert arrays["arr_1"].tolist() == [1, 0, 1, 0, 1]
    for written in ("samples.npz", "images"):
        images = open_images(out / written)
        assert (images.count, images.size) == (5, (8, 8))
    for told in ("schedule cosine", "attention order legacy", "gradient scale 2", "2 classes"):
        assert told in printed


def test_the_json_repeats_the_call(generate, tmp_path):
    generate("--classes", "0-1", "--set", "eta=0.5", "--sampler", "ddim", *HOW)
    call = json.loads((tmp_path / "out" / "generate.json").read_text())["call"]
    assert (call["num"], call["classes"], call["fields"]) == (16, [0, 1], {"eta": 0.5})
    generate(source=tmp_path / "out" / "generate.json", out="again")
    assert files(tmp_path / "out") == files(tmp_path / "again")
    err = generate("--seed", 1, source=tmp_path / "out" / "generate.json", out="third", expected=2)
    assert "no other option is accepted beside it" in err


def test_the_json_repeats_the_call_from_anywhere(generate, checkpoint, adm, tmp_path, monkeypatch):
    options = ("--classifier", checkpoint("classifier"), "--out", "out", "-n", 2, *HOW)
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    Path("models", "mine").symlink_to(checkpoint())
    assert adm("generate", "models/mine", *options)[0] == 0
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert adm("generate", "../out/generate.json", "--out", "deep/again")[0] == 0
    assert adm("generate", "../out/generate.json", "--out", "../out")[0] == 0  # the same call, which goes on
    np.testing.assert_array_equal(pixels(Path("deep/again")), pixels(tmp_path / "out"))
    monkeypatch.chdir("/")
    assert adm("generate", tmp_path / "elsewhere/deep/again/generate.json", "--out", tmp_path / "third")[0] == 0
    np.testing.assert_array_equal(pixels(tmp_path / "third"), pixels(tmp_path / "out"))


@pytest.mark.parametrize("upsampled", [False, True])
def test_more_images_extend_a_folder(upsampled, generate, checkpoint, tmp_path, monkeypatch):
    small = {"source": checkpoint(image_size=4)} if upsampled else {}
    options = ("--class", 1, "--class", 0, *HOW, *(("--upsampler", checkpoint("upsampler")) if upsampled else ()))
    generate("-n", 5, *options, **small)
    first, kept = pixels(tmp_path / "out"), files(tmp_path / "out" / "images")
    computed, sample = [], Sampling.sample

    def counted(sampling, block, stepped):
        computed.append(block)
        return sample(sampling, block, stepped)

    monkeypatch.setattr(Sampling, "sample", counted)
    generate("-n", 12, *options, **small)
    assert set(computed) == {1, 2}
    assert files(tmp_path / "out" / "images").items() > kept.items()
    np.testing.assert_array_equal(pixels(tmp_path / "out")[:5], first)
    with np.load(tmp_path / "out" / "samples.npz") as arrays:
        np.testing.assert_array_equal(arrays["arr_0"], pixels(tmp_path / "out"))
        assert arrays["arr_1"].tolist() == [1, 0] * 6
    del computed[:]
    extended = files(tmp_path / "out")
    generate("-n", 12, *options, **small)
    assert not computed
    generate(source=tmp_path / "out" / "generate.json", out="again")
    assert files(tmp_path / "out") == files(tmp_path / "again") == extended
    for changed, told in ((("-n", 5), "num 12, not 5"), (("-n", 20, "--batch", 3), "call.batch")):
        assert told in generate(*changed, *options, expected=2, **small)
    assert files(tmp_path / "out") == extended


def test_an_interrupted_call_keeps_what_it_finished_and_goes_on_to_the_same_bytes(generate, tmp_path, monkeypatch):
    options = ("-n", 5, "--batch", 2, *HOW)
    generate(*options, out="whole")
    sample, computed = Sampling.sample, []

    def first(sampling, block, stepped):
        if block == 1:
            raise KeyboardInterrupt
        return sample(sampling, block, stepped)

    monkeypatch.setattr(Sampling, "sample", first)
    assert "out: 2; the same call goes on" in generate(*options, expected=130)
    np.testing.assert_array_equal(pixels(tmp_path / "out"), pixels(tmp_path / "whole")[:2])

    def second(sampling, block, stepped):
        computed.append(block)
        return sample(sampling, block, stepped)

    monkeypatch.setattr(Sampling, "sample", second)
    generate(*options)
    assert computed == [1, 2]
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    damaged = next((tmp_path / "out" / "images").glob("000004*"))
    damaged.write_bytes(damaged.read_bytes()[:-30])
    generate(*options)
    assert computed == [1, 2, 2]
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_a_full_disk_is_one_line_and_loses_nothing(generate, tmp_path, monkeypatch):
    options = ("-n", 4, "--batch", 2, *HOW)
    save, saved = Image.Image.save, []

    def full(image, path, **settings):
        if len(saved) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        save(image, path, **settings)

    with monkeypatch.context() as patched:
        patched.setattr(Image.Image, "save", full)
        err = generate(*options, expected=2)
    assert "No space left on device" in err
    assert len(err.splitlines()) == 1
    kept = files(tmp_path / "out")
    assert len(kept) == 3
    generate(*options)
    assert files(tmp_path / "out").items() > kept.items()


def test_images_of_another_call_are_not_touched(generate, tmp_path):
    generate("-n", 1, *HOW)
    before = files(tmp_path / "out")
    err = generate("-n", 1, "--steps", "4", expected=2)
    assert "holds images of another call: call.steps 3, not 4" in err
    (tmp_path / "out" / "generate.json").unlink()
    assert "holds files that no generate.json tells of" in generate("-n", 1, *HOW, expected=2)
    assert files(tmp_path / "out") == {name: content for name, content in before.items() if name != "generate.json"}


def test_images_of_other_code_that_edits_are_of_another_call():
    assert {"adm.diffusion.editing", "adm.sampling.guided"} <= code_of("generate", ("sampler.ddim",)).keys()


def test_photographs_are_changed_as_training_would_read_them(generate, checkpoint, tmp_path):
    pixels_of = np.random.default_rng(0).integers(0, 256, (2, 20, 16, 3)).astype(np.uint8)
    (tmp_path / "photos").mkdir()
    for name, image in zip("ab", pixels_of, strict=True):
        Image.fromarray(image).save(tmp_path / "photos" / f"{name}.png")
    given = np.stack([centre_crop(image, 8) for image in pixels_of])
    model, how = package.load(checkpoint(), device="cpu"), {"steps": "3", "seed": 7}
    generate("--init-image", tmp_path / "photos", "--strength", 0.6, "--class", 1, *HOW)
    np.testing.assert_array_equal(pixels(tmp_path / "out"), model.edit(given, 0.6, 1, num=16, **how))
    white = np.zeros((20, 16), np.uint8)
    white[:12] = 255
    Image.fromarray(white).save(tmp_path / "mask.png")
    options = ("--init-image", tmp_path / "photos" / "b.png", "--mask", tmp_path / "mask.png", "-n", 2)
    generate(*options, "--set", "resamplings=2", *HOW, out="inpainted")
    found, mask = pixels(tmp_path / "inpainted"), np.arange(8)[:, None].repeat(8, 1) < 5
    np.testing.assert_array_equal(found, model.inpaint(given[1:], mask, num=2, resamplings=2, **how))
    generate(source=tmp_path / "inpainted" / "generate.json", out="again")
    assert files(tmp_path / "inpainted") == files(tmp_path / "again")
    others = ("--init-image", tmp_path / "photos" / "a.png", *options[2:], "--set", "resamplings=2", *HOW)
    assert "init_image" in generate(*others, out="inpainted", expected=2)
    Image.fromarray(255 - white).save(tmp_path / "mask.png")
    assert "files.mask" in generate(*options, "--set", "resamplings=2", *HOW, out="inpainted", expected=2)


def test_a_grey_network_takes_photographs_in_colour_as_grey(generate, checkpoint, tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    options = ("--init-image", tmp_path / "photo.png", "--mask", tmp_path / "mask.png", "-n", 1)
    generate(*options, *HOW, source=checkpoint(image_channels=1))
    kept = ~np.eye(8, dtype=bool)
    np.testing.assert_array_equal(pixels(tmp_path / "out")[0][kept], as_grey(photo)[kept])
    with pytest.raises(package.UserError, match="images: are in colour"):
        package.load(checkpoint(image_channels=1), device="cpu").edit(photo[None], 0.5)


def test_samples_are_upsampled(generate, checkpoint, tmp_path):
    small = checkpoint(image_size=4)
    generate("--upsampler", checkpoint("upsampler"), "-n", 3, "--batch", 2, *HOW, source=small)
    model, upsampler = package.load(small, device="cpu"), package.load(checkpoint("upsampler"), device="cpu")
    sampling = model.sampling(num=3, steps="3", seed=7, batch=2)
    base = model.sample(num=3, steps="3", seed=7, batch=2)
    expected = upsampler.upsample(base, sampling.labels, steps="3", seed=1_000_007, batch=2)
    np.testing.assert_array_equal(pixels(tmp_path / "out"), expected)
    assert len(list((tmp_path / "out" / "low_resolution").iterdir())) == 3


def test_an_upsampler_is_sampled_as_it_recommends_unless_steps_are_said(generate, exported, checkpoint, adm, tmp_path):
    small, up = tmp_path / "small.safetensors", exported("up", "--set", "steps=ddim2", kind="upsampler")
    assert adm("export", checkpoint(image_size=4), small, "--set", "steps=4")[0] == 0
    upsampler = package.load(up, device="cpu", threads=1)
    for said, steps in ((None, "ddim2"), ("3", "3"), ("fast", "fast")):
        asked = ("--upsampler", up, "-n", 2, "--seed", 7, "--threads", 1, *(("--steps", said) if said else ()))
        generate(*asked, source=small, out=steps)
        sampling = package.load(small, device="cpu").sampling(num=2, steps=said, seed=7)
        expected = upsampler.upsample(sampling.sample(0), sampling.labels, steps=steps, seed=1_000_007)
        np.testing.assert_array_equal(pixels(tmp_path / steps), expected)
        generate(source=tmp_path / steps / "generate.json", out=f"{steps} again")
        np.testing.assert_array_equal(pixels(tmp_path / steps), pixels(tmp_path / f"{steps} again"))


def test_drawn_classes_and_none_make_a_grid(generate, checkpoint, tmp_path):
    generate("-n", 7, *HOW, out="drawn")
    generate("-n", 7, *HOW, source=checkpoint(num_classes=None), out="none")
    with np.load(tmp_path / "none" / "samples.npz") as arrays:
        assert arrays.files == ["arr_0"]
    for folder in ("drawn", "none"):
        assert np.asarray(Image.open(tmp_path / folder / "grid.png")).std() > 0


TINY = UNetParams(
    image_size=8,
    channels=32,
    channel_multiplier=[1],
    depth=1,
    attention_resolutions=[8],
    heads=2,
    num_classes=1000,
)


@pytest.fixture
def released(tmp_path, monkeypatch):
    for name in reversed([*PRESETS]):  # to compare with them takes seconds; reversed, so that they come back in order
        monkeypatch.delitem(PRESETS, name)
    monkeypatch.setitem(PRESETS, "tiny", TINY)
    monkeypatch.setitem(PRESETS, "wide", TINY.model_copy(update={"channels": 64}))
    monkeypatch.setitem(CHECKPOINTS, "8x8_diffusion", "tiny")
    draws = torch.Generator().manual_seed(0)
    state = {name: 0.1 * torch.randn(shape, generator=draws) for name, shape in preset_shapes("tiny").items()}
    torch.save(state, tmp_path / "8x8_diffusion.pt")
    return tmp_path / "8x8_diffusion.pt"


def test_classes_of_a_released_network_have_names(generate, released, tmp_path):
    printed = generate("--class", "Golden Retriever", "--class", 1, "-n", 2, "--steps", "2", source=released)
    assert "preset tiny" in printed
    names = [path.name for path in sorted((tmp_path / "out" / "images").iterdir())]
    assert names == ["000000-golden-retriever.png", "000001-goldfish.png"]
    call = json.loads((tmp_path / "out" / "generate.json").read_text())["call"]
    assert call["classes"] == [207, 1]


# What the Python interface refuses, too, stands in test_model.py.
MISTAKES = {
    "a name that there is not": (("--class", "golden retreiver"), "class 'golden retreiver': is no name"),
    "a name of two classes": (("--class", "cardigan"), "class 'cardigan': is the name of 264 and 474"),
    "classes that are no list": (("--classes", "3-1"), "--classes '3-1': is no list"),
    "no classes at all": (("--classes", ""), "--classes '': is no list"),
    "no precision": (("--precision", "float8"), "precision: 'float8' is not accepted"),
    "no preset": (("--preset", "imagenet65"), "preset 'imagenet65': is unknown"),
    "another preset": (("--preset", "wide"), "does not fit preset 'wide'; the file fits preset tiny"),
    "no further field": (("--set", "eta"), "--set 'eta': is no KEY=VALUE"),
    "a field with an option": (("--set", "seed=1"), "--set seed: has an option of its own"),
    "a strength of nothing": (("--strength", "0.5"), "--init-image: is missing"),
    "an image that is not changed": (("--init-image", "square.png"), "--init-image: needs --strength or --mask"),
    "a strength that is no number": (("--init-image", "square.png", "--strength", "nan"), "strength: nan is not"),
    "a mask of a folder of several sizes": (
        ("--init-image", "mixed", "--mask", "square.png"),
        "square.png: is 10x10, but mixed/wide.png 12x10; write a mask of that, or of 8x8",
    ),
    "no such image": (("--init-image", "none.png", "--strength", "0.5"), "none.png: is no readable image"),
    "a mask of another size": (
        ("--init-image", "square.png", "--mask", "wide.png"),
        "wide.png: is 12x10, but square.png 10x10; write a mask of that, or of 8x8",
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(generate, released, tmp_path, monkeypatch, case):
    options, message = MISTAKES[case]
    monkeypatch.chdir(tmp_path)
    Path("mixed").mkdir()
    for name, shape in (("square.png", (10, 10)), ("wide.png", (10, 12))):
        for folder in (".", "mixed"):
            Image.fromarray(np.full(shape, 255, np.uint8)).save(Path(folder, name))
    err = generate(*options, source=released, expected=2)
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    if "golden" in message:
        assert "golden retriever (207)" in err


def test_what_is_no_checkpoint_is_one_line(generate, tmp_path):
    (tmp_path / "a.pt").write_bytes(b"no checkpoint at all")
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.json").write_text("{}")
    for name in ("a.pt", "folder", "a.json", "none.pt"):
        err = generate(source=tmp_path / name, expected=2)
        assert (name in err, len(err.splitlines())) == (True, 1)
    assert "nearest are 64x64_diffusion" in generate(source="64x64_difusion", expected=2)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def exported(adm, checkpoint, tmp_path):

    def file(name, *options, kind="diffusion"):
        path = tmp_path / f"{name}.safetensors"
        assert adm("export", checkpoint(kind), path, *options) == (0, "", "")
        return path

    return file


def test_an_exported_model_makes_the_same_images(generate, exported, tmp_path):
    file = exported("model")
    for source, out in ((None, "folder"), (file, "file")):
        generate("-n", 3, *HOW, source=source, out=out)
    np.testing.assert_array_equal(pixels(tmp_path / "file"), pixels(tmp_path / "folder"))
    half = exported("half", "--dtype", "float16")
    assert half.stat().st_size < 0.6 * file.stat().st_size
    generate("-n", 3, *HOW, source=half, out="half")
    assert np.abs(pixels(tmp_path / "half").astype(int) - pixels(tmp_path / "folder")).max() <= 3


def test_a_file_is_sampled_as_it_recommends_unless_something_else_is_said(generate, exported, checkpoint, tmp_path):
    exported("guide", kind="classifier")
    told = ("steps=4", "sampler=ddim", "eta=0.5", "scale=2", "classifier=guide.safetensors")
    file = exported("model", *(part for one in told for part in ("--set", one)))
    generate("-n", 2, "--threads", 1, source=file, out="told")
    how = ("--steps", 4, "--sampler", "ddim", "--set", "eta=0.5")
    guided = ("--scale", 2, "--classifier", checkpoint("classifier"))
    generate("-n", 2, "--threads", 1, *how, *guided, out="said")
    np.testing.assert_array_equal(pixels(tmp_path / "told"), pixels(tmp_path / "said"))
    generate(source=tmp_path / "told" / "generate.json", out="again")
    np.testing.assert_array_equal(pixels(tmp_path / "told"), pixels(tmp_path / "again"))
    generate("-n", 2, "--threads", 1, "--steps", 3, "--scale", 0, source=file, out="otherwise")
    generate("-n", 2, "--threads", 1, "--steps", 3, out="plain")
    np.testing.assert_array_equal(pixels(tmp_path / "otherwise"), pixels(tmp_path / "plain"))
    model = package.load(file, device="cpu", threads=1)
    np.testing.assert_array_equal(model.sample(num=2), pixels(tmp_path / "told"))
    # A field stands in the place of the file's, and leaves the rest.
    assert model.run_of(2, eta=0.1) == model.run_of(2).model_copy(update={"eta": 0.1})


def test_a_file_recommends_no_classifier_that_does_not_lie_beside_it(adm, exported, tmp_path):
    exported("guide", kind="classifier")
    settings = ("steps=4", "classifier=guide.safetensors", "scale=2")
    file = exported("model", *(part for one in settings for part in ("--set", one)))
    (tmp_path / "alone").mkdir()
    code, out, _ = adm("export", file, tmp_path / "alone" / "model.safetensors")
    assert (code, "guide.safetensors does not lie beside it" in out) == (0, True)
    model = package.load(tmp_path / "alone" / "model.safetensors", device="cpu")
    assert (model.classifier, model.run_of(1).steps) == (None, "4")


def test_fast_is_its_sampler_and_keeps_the_guidance_of_the_file(adm, generate, checkpoint, tmp_path):
    file = tmp_path / "free.safetensors"
    told = ("--set", "sampler=ddim", "--set", "steps=ddim3", "--set", "cfg_scale=2")
    assert adm("export", checkpoint(label_dropout=0.5), file, *told)[0] == 0
    generate("-n", 2, "--threads", 1, "--fast", source=file, out="fast")
    how = fast(1000)
    said = ("--sampler", how["sampler"], "--steps", how["steps"], "--set", f"eta={how['eta']}", *told[-2:])
    generate("-n", 2, "--threads", 1, *said, source=file, out="said")
    np.testing.assert_array_equal(pixels(tmp_path / "fast"), pixels(tmp_path / "said"))
    generate(source=tmp_path / "fast" / "generate.json", out="again")
    np.testing.assert_array_equal(pixels(tmp_path / "fast"), pixels(tmp_path / "again"))
    model = package.load(file, device="cpu", threads=1)
    np.testing.assert_array_equal(model.sample(num=2, steps="fast"), pixels(tmp_path / "fast"))
    assert (model.sample(num=2, steps="fast", cfg_scale=1) != pixels(tmp_path / "fast")).any()
    assert "--steps 9" in generate("--fast", "--steps", 9, source=file, out="both", expected=2)


def test_a_process_of_fewer_steps_than_fast_takes_all_of_its_own(generate, checkpoint, tmp_path):
    assert "steps logsnr8" in generate("-n", 1, "--threads", 1, "--fast", source=checkpoint(timesteps=8))


def test_a_folder_of_a_networks_name_is_no_network(adm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    how = ("generate", "emoji", "--steps", 2, "--threads", 1, "--out", "emoji")
    for num in (1, 2):  # the second call extends the folder that the first one wrote
        code, _, err = adm(*how, "-n", num)
        assert code == 0, err
    assert json.loads(Path("emoji", "generate.json").read_text())["call"]["checkpoint"] == "emoji"
    Path("64x64_diffusion").mkdir()
    assert not holds_network(Path("64x64_diffusion"))
    assert holds_network(Path("emoji", "generate.json"))


def test_what_a_file_recommends_may_be_unsaid_and_repeats_name_no_place_of_an_installation(adm, generate, tmp_path):
    assert "cfg_scale" in generate("-n", 1, "--steps", 2, "--threads", 1, source="emoji", out="guided")
    unguided = generate(
        "-n", 1, "--steps", 2, "--threads", 1, "--set", "cfg_scale=null", source="emoji", out="unguided"
    )
    assert "cfg_scale" not in unguided
    generate("-n", 1, "--steps", 2, "--threads", 1, source="fashion", out="classified")
    assert json.loads((tmp_path / "classified" / "generate.json").read_text())["call"].get("classifier") is None


def test_a_classifier_is_recommended_with_its_interval(adm, exported, generate, tmp_path):
    exported("guide", kind="classifier")
    interval = ("--set", "classifier=guide.safetensors", "--set", "guidance_interval=[0.2, 0.8]")
    file = exported("guided", "--set", "steps=10", *interval)
    assert "guidance_interval [0.2, 0.8]" in generate("-n", 1, "--threads", 1, source=file)
    assert adm("export", file, tmp_path / "other.safetensors", "--set", "steps=1", *interval)[0] == 2


def test_what_no_run_has_is_not_recommended(adm, checkpoint, tmp_path):
    for setting in (
        "stepz=4",
        "steps=0",
        "num_samples=7",
        "scale=abc",
        "classifier=5",
        "classifier=none.safetensors",
        "cfg_scale=2",
        "steps=fast",
        "batch=4",
        "eta=null",
    ):
        word = setting.partition("=")[0]
        steps = () if word == "steps" else ("--set", "steps=3")
        code, _, err = adm("export", checkpoint(), tmp_path / "m.safetensors", "--set", setting, *steps)
        assert (code, word in err, err.count("\n")) == (2, True, 1)
        assert not (tmp_path / "m.safetensors").exists()


def test_what_predicts_no_noise_is_not_written_in_the_released_format(adm, checkpoint, tmp_path):
    code, _, err = adm("export", checkpoint(predicts="v"), tmp_path / "v.pt")
    assert (code, "predicts v" in err) == (2, True)
