"""`generate`: images from a checkpoint as PNGs, a grid and an npz, beside a json that repeats the call."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from pydantic import Field

from adm.api import Model, Sampling, checked, load
from adm.artifacts.class_names import Names
from adm.artifacts.code import code_digest
from adm.artifacts.manifest import differing, identity, library_versions
from adm.artifacts.reading import read_json
from adm.artifacts.released_files import holds_network
from adm.artifacts.streaming import write_npz_rows
from adm.artifacts.writing import new_file, new_files, write_json
from adm.config.base import PositiveInt, Seed
from adm.config.models import Precision, UpsamplerModel, check_equal
from adm.config.samplers import fast
from adm.config.sampling import GuidedSampling
from adm.data.crops import centre_crop
from adm.data.decoding import as_grey, read_image
from adm.data.listing import names_of_images
from adm.errors import UserError, about
from adm.machine import available_cores
from adm.params.section import Section
from adm.progress import progress
from adm.report.grids import save_sheet
from adm.sampling.batch import SAMPLES, Images

FINAL, LOW, GRID = "images", "low_resolution", "grid.png"
"""Entries of a folder: images, those that were upsampled to them, and the grid."""

RECORD = "generate.json"
"""The file that repeats the call: relative paths in it begin at its folder, so that it does so from anywhere."""

PATHS = ("checkpoint", "classifier", "upsampler", "init_image", "mask")
"""Fields of a call that name files."""

SHOWN = 100
"""Images in the grid, at most."""


class Call(Section):
    """A call: its fields are the options of `adm generate`, and None is what `run` finds out.

    `upsampling` is how what was sampled is upsampled, which no option says.
    Of a folder that was extended, `first` is the number of images at first: no batch has more, so that these stay.
    """

    checkpoint: str
    classifier: str | None = None
    upsampler: str | None = None
    init_image: str | None = None
    strength: float | None = None
    mask: str | None = None
    classes: list[int | str] | None = None
    num: PositiveInt | None = None
    first: PositiveInt | None = None
    scale: float | None = None
    steps: str | None = None
    sampler: str | None = None
    seed: Seed = 0
    device: str = "auto"
    precision: Precision = "float32"
    batch: PositiveInt | None = None
    threads: PositiveInt | None = None
    preset: str | None = None
    fields: dict[str, Any] = Field(default={})
    upsampling: dict[str, Any] | None = None


def call_of(checkpoint: str, options: dict[str, Any]) -> Call:
    """Make a call from the command line: fields of Call that were given, or a `generate.json`, whose call is repeated.

    Raises:
        UserError: An option is not accepted, the json is none, or options are given beside it.
    """
    if not checkpoint.endswith(".json"):
        return checked(Call, {"checkpoint": checkpoint, **options})
    if options:
        raise UserError(f"{checkpoint}: tells all but --out; no other option is accepted beside it")
    content = checked(Call, read_json(Path(checkpoint)).get("call", {}), f"{checkpoint}: ")
    return _seen_from(Path(), content, Path(checkpoint).parent)


def _seen_from(place: Path, call: Call, start: Path) -> Call:
    """Rewrite a call's relative paths, which begin at `start`, to begin at `place`; names of networks stay."""
    moved = {}
    for name in PATHS:
        path = Path(getattr(call, name) or "/")
        is_there = Path.exists if name in ("init_image", "mask") else holds_network
        if not path.is_absolute() and is_there(file := start / path):
            # A link keeps its name, by which released files are known.
            moved[name] = os.path.relpath(file.parent.resolve() / file.name, place.resolve())
    return call.model_copy(update=moved)


def fields_of(settings: Sequence[str]) -> dict[str, Any]:
    """Read fields of a run that are written as KEY=VALUE, with values in YAML.

    Raises:
        UserError: One is not written so.
    """
    fields: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key in fields:
            raise UserError(f"--set {key}: stands twice")
        try:
            fields[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not (key and equals and value):
            raise UserError(f"--set {setting!r}: is no KEY=VALUE, such as eta=0.5")
    return fields


def classes_of(ranges: str) -> list[int | str]:
    """Read classes written as "0-9" or "1,207,985".

    Raises:
        UserError: The text is no such list.
    """
    classes: list[int | str] = []
    for part in ranges.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not (last.isdecimal() and int(first) <= int(last))):
            raise UserError(f"--classes {ranges!r}: is no list of numbers; write 0-9 or 1,207,985")
        classes += range(int(first), int(last or first) + 1)
    return classes


def run(call: Call, out: Path) -> None:
    """Sample images, and write each as soon as its block is finished; what an earlier try finished is kept.

    Args:
        call: What to sample.
        out: The folder: `images/` with a PNG each, `grid.png`, `samples.npz` in the released format, `generate.json`,
            and with an upsampler `low_resolution/`, what it upsampled.

    Raises:
        UserError: A file or a value does not fit, `out` holds images of another call, or the disk is full.
    """
    call = call.model_copy(update={"threads": call.threads or available_cores()})
    earlier = call_of(str(out / RECORD), {}) if (out / RECORD).exists() else None
    model, upsampler = _loaded(call)
    is_said, is_fast = call.steps is not None or call.sampler is not None, call.steps == "fast"
    call, sampling, given = _sampling(call, model, earlier)
    if upsampler is not None and call.upsampling is None:
        alike = {"steps": call.steps, "sampler": call.sampler} if is_said or not upsampler.opened.card.sampling else {}
        call = call.model_copy(update={"upsampling": fast(upsampler.params.noise.timesteps) if is_fast else alike})
    _begin(out, call, model, upsampler, given, earlier)
    labels = sampling.labels.tolist()
    told = model.class_names
    names = None if model.num_classes is None else [told[number] if told else str(number) for number in labels]
    files = _files(sampling, names)
    first = out / (FINAL if upsampler is None else LOW)
    _complete(first, files, sampling)
    if upsampler is not None:
        classes = None if upsampler.num_classes is None else sampling.labels
        # With the same seeds, the noise of images and of their upsampling would begin alike.
        how: dict[str, Any] = {**(call.upsampling or {}), "seed": call.seed + 1_000_000}
        batch = upsampler.batch_size(call.batch, call.first or len(files))
        sampling = upsampler.upsampling(_read(first, files), classes, **how, batch=batch)
        _complete(out / FINAL, files, sampling)
    _write(out, files, sampling, names)


def _loaded(call: Call) -> tuple[Model, Model | None]:
    where: dict[str, Any] = {"device": call.device, "precision": call.precision, "threads": call.threads}
    model = load(call.checkpoint, call.classifier, preset=call.preset, **where)
    if call.upsampler is None:
        return model, None
    upsampler = load(call.upsampler, **where)
    params, place = upsampler.params, f"upsampler {upsampler.opened.path}"
    if not isinstance(params, UpsamplerModel):
        raise UserError(f"{place}: is of kind {params.kind!r}, not 'upsampler'")
    channels, side, _ = model.image_shape
    with about():
        check_equal(place, "low_resolution", params.network.low_resolution, call.checkpoint, side)
        check_equal(place, "image_channels", params.network.image_channels, call.checkpoint, channels)
        if upsampler.num_classes is not None:
            check_equal(place, "num_classes", upsampler.num_classes, call.checkpoint, model.num_classes)
    return model, upsampler


def _sampling(call: Call, model: Model, earlier: Call | None) -> tuple[Call, Sampling, dict[str, Any]]:
    """Prepare what is sampled, and complete the call with what was found out, so that it can be repeated elsewhere.

    What is changed, see `_given`, comes with them.
    """
    given = _given(call, model)
    # 16 images, or more for whole turns of the classes or of the images that are changed.
    turn = max(len(call.classes or [0]), len(given.get("images", [0])))
    num = call.num or -(-16 // turn) * turn
    first = min(call.first or num, (earlier and (earlier.first or earlier.num)) or num)
    names = ("scale", "steps", "sampler", "seed", "batch")
    options = {**dict.fromkeys((*names, "num", "strength", "mask", "device", "preset")), "classes": "class"}
    if twice := sorted(call.fields.keys() & options):
        raise UserError(f"--set {twice[0]}: has an option of its own, --{options[twice[0]] or twice[0]}")
    how = {**{name: getattr(call, name) for name in names}, "batch": model.batch_size(call.batch, first)}
    prepared = model.editing if given else model.sampling
    sampling = prepared(classes=call.classes, num=num, **given, **how, **call.fields)
    classes = None if call.classes is None else sampling.labels[: len(call.classes)].tolist()
    run = sampling.run
    scale = run.gradient_scale if isinstance(run, GuidedSampling) and model.classifier else None
    completed = {"num": num, "sampler": run.sampler, "scale": scale, "device": model.device.type}
    completed |= {"classes": classes, "first": first if first < num else None, "steps": run.steps}
    # What the file recommends, and what "fast" means, may be taken.
    told = (model.opened.card.sampling.keys() | {"eta"}) - {*names, "classifier"}
    usual = type(run).model_fields
    changed = {name: value for name in sorted(told) if (value := getattr(run, name)) != usual[name].default}
    completed["fields"] = {**call.fields, **changed}
    return call.model_copy(update=completed), sampling, given


def _given(call: Call, model: Model) -> dict[str, Any]:
    """Read what is changed, as training reads its images: arguments of `Model.editing`; none if nothing is."""
    asked = call.strength is not None or call.mask is not None
    if call.init_image is None or not asked:
        if call.init_image is None and not asked:
            return {}
        raise UserError("--init-image: needs --strength or --mask" if call.init_image else "--init-image: is missing")
    path, (channels, side, _) = Path(call.init_image), model.image_shape
    given: dict[str, Any] = {} if call.strength is None else {"strength": call.strength}
    if call.mask is not None:
        mask = read_image(Path(call.mask), background="black")
        given["mask"] = as_grey(centre_crop(mask, side))[..., 0] > 127
    images = []
    for file in [path / name for name in names_of_images(path)] if path.is_dir() else [path]:
        image = read_image(file, background=model.opened.card.background or "white")
        if call.mask is not None and mask.shape not in (image.shape, (side, side, 3)):
            size, wanted = ("x".join(map(str, shape[1::-1])) for shape in (mask.shape, image.shape))
            raise UserError(f"{call.mask}: is {size}, but {file} {wanted}; write a mask of that, or of {side}x{side}")
        images.append(centre_crop(as_grey(image) if channels == 1 else image, side))
    if not images:
        raise UserError(f"{path}: holds no image")
    return given | {"images": np.stack(images)}


def _begin(
    out: Path, call: Call, model: Model, upsampler: Model | None, given: dict[str, Any], earlier: Call | None
) -> None:
    """Say what is sampled, and note it in the folder: a new one, or one of as many or fewer images of the same call."""
    said = {} if call.scale is None else {"gradient scale": f"{call.scale:g}"}
    said |= call.fields | {"from": call.init_image, "mask": call.mask, "strength": call.strength}
    told = "".join(f", {name} {value}" for name, value in said.items() if value is not None)
    used = {"checkpoint": model.opened, "classifier": model.classifier, "upsampler": upsampler and upsampler.opened}
    print(*(opened.describe() for opened in used.values() if opened), sep="\n")
    print(f"images: {call.num}, {call.sampler}, steps {call.steps}{told}, seed {call.seed}, on {call.device}")
    pixels = {"init_image": given.get("images"), "mask": given.get("mask")}
    record = {
        "call": _seen_from(out, call, Path()).values(),
        "files": {name: identity(opened.path) for name, opened in used.items() if opened}
        | {name: hashlib.sha256(each.tobytes()).hexdigest() for name, each in pixels.items() if each is not None},
        "code": code_digest("generate", (f"sampler.{call.sampler}",)),
        "versions": library_versions(["adm", "numpy", "torch"]),
    }
    if earlier is not None:
        there = read_json(out / RECORD)
        if (earlier.num or 0) < (call.num or 0):
            there["call"] |= {"num": call.num, "first": call.first}
        for key, found, wanted in differing(there, record):
            raise UserError(f"{out}: holds images of another call: {key} {found}, not {wanted}; give another --out")
    elif out.is_dir() and any(path.name[0] != "." for path in out.iterdir()):
        raise UserError(f"{out}: holds files that no {RECORD} tells of; give another --out")
    with new_file(out / RECORD) as path:
        write_json(path, record)


def _files(sampling: Sampling, names: Names) -> list[str]:
    """Name the files of images by their numbers and, of a model with classes, the words of their classes' `names`."""
    words = [re.sub(r"[\W_]+", "-", name.lower()).strip("-")[:40] for name in names or [""] * len(sampling.labels)]
    return [f"{number:06d}{word and '-'}{word}.png" for number, word in enumerate(words)]


def _complete(folder: Path, files: list[str], sampling: Sampling) -> None:
    paths = {block: [folder / files[row] for row in sampling.rows(block)] for block in sampling.run.blocks}
    missing = [block for block in paths if not _is_whole(paths[block])]
    with progress(total=len(missing) * sampling.num_steps, name=folder.name) as bar:
        for block in missing:
            images = sampling.sample(block, bar.update)
            with new_files(*paths[block]) as new:
                for path, image in zip(new, images, strict=True):
                    Image.fromarray(image).save(path, format="PNG")


def _is_whole(paths: list[Path]) -> bool:
    try:
        return all(path.exists() and read_image(path).size for path in paths)
    except UserError:
        return False


def _read(folder: Path, files: list[str]) -> Images:
    return np.stack([read_image(folder / file) for file in files])


def _write(out: Path, files: list[str], sampling: Sampling, names: Names) -> None:
    """Write the grid, and all images in the released format, which holds labels of a model with classes."""
    labels = sampling.labels
    arrays: dict[str, Any] = {
        "arr_0": (
            len(files),
            (_read(out / FINAL, [files[row] for row in sampling.rows(b)]) for b in sampling.run.blocks),
        )
    }
    if names is not None:
        arrays["arr_1"] = (len(labels), [labels])
        numbered = zip(map(str, labels[:SHOWN].tolist()), names, strict=False)
        names = [name if name == number else f"{number}: {name}" for number, name in numbered]
    with new_file(out / SAMPLES) as path:
        write_npz_rows(path, **arrays)
    order = np.argsort(labels[:SHOWN], kind="stable")
    shown = _read(out / FINAL, [files[row] for row in order])
    save_sheet(out / GRID, shown, names and [names[row] for row in order])
