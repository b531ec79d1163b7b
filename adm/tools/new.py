"""`new`: a params file for images of one's own, from one look at their folder, and its dvc.yaml."""

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from adm.artifacts.released_files import released_folder
from adm.artifacts.writing import new_files
from adm.config.released import INCEPTION
from adm.data.survey import MODES, MOST_DECODED, SEEING_THROUGH, Survey, survey
from adm.dvc_file import NAME as DVC
from adm.dvc_file import render as render_dvc
from adm.errors import UserError
from adm.nets.cost import parameter_count
from adm.params.load import check
from adm.params.models import DiffusionModelParams
from adm.params.naming import count_key, value_key
from adm.pipeline import Pipeline
from adm.planning.recipe import SCALES, STAGES, Recipe, Request, channel_multiplier, choose
from adm.sampling.guided import SeededNoise

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
"""Of a scale: it becomes the name of folders."""

RULES = Path("Snakefile")
"""What runs a scale; a folder without it is no clone of the project."""

HELD_OUT = 0.2
"""Share of the images that nothing is trained on."""

FEWEST, FEWEST_OF_CLASS = 40, 5
"""Images of all classes, and of each, of which a fifth is held out."""

FEW = 2000
"""Images or samples below which FID says little, and KID, which has no bias, stands beside it."""

MOST_NAMED = 5
"""Files that an error names."""

MOST_LISTED = 12
"""Classes that are listed with their counts."""

GRID = (10, 8)
"""Classes and columns of a grid, at most."""

WIDTH = 120
"""Columns of a params file."""

PIECE = re.compile(r'(?:"(?:[^"\\\\]|\\\\.)*"|[^",])+,? ?')
"""Of a line of YAML: up to a comma that is not in quotes."""

COMMON = ("noise", "network")
"""What the classifier has in common with the model that it guides."""

GRAPHS = (Path(), Path("downloads"))
"""Folders that may hold the 2015 graph, beside that where `adm fetch inception` puts it."""


def run(
    name: str,
    images: Path,
    image_size: int,
    channels: int = 3,
    is_labelled: bool = True,
    device: str = "cpu",
    hours: float = 1.0,
) -> None:
    """Write scales/NAME/params.yaml, of at most thirty lines, and its dvc.yaml; print what was found and chosen.

    Args:
        name: The scale's.
        images: A folder with a folder of images a class.
        image_size: The side that they are trained at; none is enlarged.
        channels: 3, or 1 to turn them grey.
        is_labelled: Whether the model is told their classes.
        device: What trains and samples: "cpu" or "cuda".
        hours: For all of it.

    Raises:
        UserError: The name is taken or none, there is no GPU, the images will not do, or the size or the hours do not
            fit; nothing is written.
    """
    path = Path("scales", name, "params.yaml")
    _check_asked(name, path, channels, hours, device)
    channel_multiplier(image_size)
    found = survey(images, image_size, is_labelled)
    print("\n".join(_summary(images, found, channels)))
    _check_images(images, found, image_size)
    graph = next(
        (folder / INCEPTION.filename for folder in (*GRAPHS, released_folder()) if _is_inception(folder)), None
    )
    trained_on = found.num_images - int(np.floor(found.num_images * HELD_OUT))
    wanted = Request(
        image_size=image_size,
        image_channels=channels,
        num_classes=len(found.counts) if is_labelled else None,
        num_images=trained_on,
        device=device,
        hours=hours,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        scored_by_inception=graph is not None,
    )
    recipe = choose(wanted)
    text = params_text(found, wanted, recipe, graph)
    pipeline = Pipeline(check(yaml.safe_load(text), path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_files(path, path.with_name(DVC)) as (params, dvc):
        params.write_text(text, encoding="utf-8")
        dvc.write_text(render_dvc(path, [path], pipeline), encoding="utf-8")
    print("\n".join(_told(path, wanted, recipe, graph)))


def _check_asked(name: str, path: Path, channels: int, hours: float, device: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r}: is no name of a scale; letters a to z, digits, _ and - are accepted")
    if not RULES.is_file():
        raise UserError(f"{RULES}: is not here; `adm new` adds a scale to a clone of the project, so call it in one")
    if path.exists():
        raise UserError(f"{path}: is there already; take another name, or remove it")
    if channels not in (1, 3):
        raise UserError(f"--channels {channels}: is not accepted; images have 3, or 1 if they are grey")
    if not 0 < hours < float("inf"):
        raise UserError(f"--hours {hours}: is not accepted; write a number above zero")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {device}: has no GPU here; `adm new` measures how fast it trains, so call it there")


def _check_images(images: Path, found: Survey, image_size: int) -> None:
    """Refuse images that `prepare` could not read, or would enlarge, and too few of them."""
    for files, trouble in (
        (found.broken, "cannot be read; repair or remove them"),
        (found.small, f"would be enlarged to --size {image_size}; remove them, or take a smaller size"),
    ):
        if files:
            named = ", ".join(f"{file} ({why})" for file, why in list(files.items())[:MOST_NAMED])
            more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
            raise UserError(f"{images}: {len(files)} of {found.num_images} images {trouble}: {named}{more}")
    if found.num_images < FEWEST:
        raise UserError(
            f"{images}: has {found.num_images} images; to train on most and hold some out, {FEWEST} are needed"
        )
    for name, count in found.counts.items():
        if len(found.counts) > 1 and count < FEWEST_OF_CLASS:
            raise UserError(f"{images}: class {name!r} has {count} images; each class needs {FEWEST_OF_CLASS}")
    for name in found.counts:
        if not name.isprintable():
            raise UserError(f"{images}: class {name!r} has a name that cannot be printed; rename its folder")


def _is_inception(folder: Path) -> bool:
    path = folder / INCEPTION.filename
    return path.is_file() and path.stat().st_size == INCEPTION.size


def _summary(images: Path, found: Survey, channels: int) -> list[str]:
    """What was found, in some lines."""
    classes = "" if found.source == "lsun" else f" in {len(found.counts)} classes"
    lines = [f"{images}: {found.num_images} images{classes}"]
    if classes:
        width = max(map(len, list(found.counts)[:MOST_LISTED]))
        lines += [f"  {name:<{width}}  {count:>6}" for name, count in list(found.counts.items())[:MOST_LISTED]]
        if len(found.counts) > MOST_LISTED:
            counts = found.counts.values()
            lines.append(
                f"  ... and {len(counts) - MOST_LISTED} more classes, of {min(counts)} to {max(counts)} images each"
            )
    modes = ", ".join(f"{count} {MODES.get(mode, mode)}" for mode, count in found.modes.most_common())
    low, high = found.sides
    lines.append(f"  {modes or 'none readable'}; short sides of {low}{f' to {high}' if high > low else ''} pixels")
    if SEEING_THROUGH & found.modes.keys():
        lines.append("  transparency is dropped")
    if any(mode.startswith("I") or mode == "F" for mode in found.modes):
        lines.append("  more than 8 bits a pixel are cut to 8")
    if channels == 3 and found.modes and found.is_grey:
        lines.append("  none has colours: --channels 1 trains faster")
    if not found.decoded:
        lines.append(f"  more than {MOST_DECODED}, so their headers alone were read")
    return lines


def _told(path: Path, wanted: Request, recipe: Recipe, graph: Path | None) -> list[str]:
    """What was chosen, and what to type."""
    model = DiffusionModelParams.model_validate(recipe.model)
    network = recipe.model["network"]
    size = f"{parameter_count(model) / 1e6:.1f} million parameters, {network['channels']} channels"
    batch = recipe.model["training"]["batch_size"]
    place = "GPU" if wanted.device == "cuda" else "cores"
    rate = f"{recipe.iterations} iterations of {batch} images at {recipe.seconds:.2g} s each"
    features = f"the 2015 graph, {graph}" if graph else "an extractor trained on these images"
    how = "" if graph else "; `adm fetch inception` before `adm new` takes the 2015 graph, as papers do"
    return [
        f"{path}:",
        f"  network   {size}; {rate}",
        f"  samples   {wanted.runs} runs of {recipe.num_samples} images in {recipe.steps} steps",
        f"  scored by {features}{how}",
        f"  time      about {_duration(wanted.hours)} on {wanted.at_a_time} {place}",
        "Now type either of",
        f"  snakemake --cores {wanted.cores} --configfile {path}",
        f"  dvc repro {path.with_name(DVC)}",
    ]


def _duration(hours: float) -> str:
    return f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours"


def params_text(found: Survey, wanted: Request, recipe: Recipe, graph: Path | None) -> str:
    """The params file."""
    checkpoints = [recipe.iterations >> halvings for halvings in reversed(range(STAGES))]
    lines = _head(found, wanted)
    lines += _features(found, wanted, graph)
    lines += _defaults(recipe)
    lines += _models(recipe, checkpoints)
    lines.append(f"references: {{images: {{dataset: images, num_images: {min(wanted.num_images, 10_000)}}}}}")
    lines += _runs(recipe, checkpoints)
    lines += _report(found, wanted, recipe, checkpoints)
    return "\n".join(lines) + "\n"


def _head(found: Survey, wanted: Request) -> list[str]:
    dataset: dict[str, Any] = {"source": found.source, "root": _portable(found.root), "image_size": wanted.image_size}
    dataset |= {"num_classes": len(found.counts), "held_out": HELD_OUT}
    dataset |= {"channels": 1} if wanted.image_channels == 1 else {}
    device = {"device": wanted.device}
    resources = [_entry("resources", dict.fromkeys(("train", "sample", "features"), device), 0)]
    return [
        "# yaml-language-server: $schema=../../params.schema.json",
        f"# Written by `adm new` for {_duration(wanted.hours)}; change what you like. What is held out trains nothing.",
        *(resources if wanted.device == "cuda" else []),
        "datasets:",
        _entry("images", dataset),
    ]


def _portable(root: Path) -> str:
    """A folder, from the project's root where it is inside."""
    whole, here = root.resolve(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def _features(found: Survey, wanted: Request, graph: Path | None) -> list[str]:
    if graph is not None:
        entry = {"url": graph.resolve().as_uri(), "md5": INCEPTION.md5, "feature_batch": 64}
        return [
            "# Features are those of the 2015 graph, as in papers.",
            "published:",
            _entry("graphs", {"inception": entry}),
        ]
    classes = len(found.counts) if len(found.counts) > 1 else 4
    chance = 1 / classes
    extractor: dict[str, Any] = {
        "dataset": "images",
        "side": min(max(16, -(-wanted.image_size // 4) * 4), 64),
        "iterations": 300 if wanted.hours < 1 else 1000,
        "least_accuracy": round(chance + 0.1 * (1 - chance), 2),
        **({} if len(found.counts) > 1 else {"learns": "rotations"}),
    }
    return [
        "# Without the 2015 graph (adm fetch inception) an extractor of these images scores: compare no paper's.",
        "extractors:",
        _entry("features", extractor),
    ]


def _defaults(recipe: Recipe) -> list[str]:
    """What models have in common."""
    model = {name: recipe.model[name] for name in COMMON if name in recipe.model}
    return ["defaults:", _entry("models", {"dataset": "images", **model})]


def _models(recipe: Recipe, checkpoints: list[int]) -> list[str]:
    own = {name: value for name, value in recipe.model.items() if name not in ("kind", *COMMON)}
    lines = ["models:", _entry("model", {"kind": recipe.model["kind"], "checkpoints": checkpoints, **own})]
    if recipe.classifier is not None:
        of_classifier = {"kind": "classifier", "checkpoints": [recipe.classifier_iterations]}
        lines.append(_entry("classifier", {**of_classifier, "training": recipe.classifier["training"]}))
    return lines


def _runs(recipe: Recipe, checkpoints: list[int]) -> list[str]:
    run: dict[str, Any] = {"checkpoint": "model", "steps": recipe.steps, "num_samples": recipe.num_samples}
    if precision := recipe.model["training"].get("precision"):
        run["precision"] = precision
    # Guided by scale 0 the last checkpoint is not guided; it is sampled once.
    through = checkpoints[:-1] if recipe.classifier else checkpoints
    lines = ["runs:", _entry("through", {**run, "sweep": {"iteration": through}})]
    if recipe.classifier:
        sweep = {"gradient_scale": list(SCALES)}
        lines.append(_entry("scale", {"like": "through", "classifier": "classifier", "sweep": sweep}))
    return lines


def _report(found: Survey, wanted: Request, recipe: Recipe, checkpoints: list[int]) -> list[str]:
    runs = [f"through-{value_key(iteration)}" for iteration in checkpoints]
    if recipe.classifier:
        runs[-1] = "scale-0"
    few = min(wanted.num_images, recipe.num_samples) < FEW
    metrics = ["fid", "fid_held_out", "fid_floor", *(["kid"] if few else []), "precision", "recall"]
    rows = {f"{count_key(iteration)} iterations": run for iteration, run in zip(checkpoints, runs, strict=True)}
    table = {"metrics": metrics, "caption": "Unguided samples through training.", "rows": rows}
    grid = _grid(found, wanted, recipe, runs[-1])
    if recipe.classifier:
        curve: dict[str, Any] = {
            "kind": "trade_offs",
            "curves": {"guided": [f"scale-{value_key(scale)}" for scale in SCALES]},
            "caption": "Fidelity against diversity as the gradient scale grows.",
        }
    else:
        y = ["kid" if few else "fid", "precision", "recall"]
        curve = {"kind": "curves", "x": "iterations", "y": y, "curves": {"model": runs}, "caption": "Through training."}
    curve_key = "trade_off" if recipe.classifier else "training"
    return ["tables:", _entry("training", table), "figures:", _entry("grid", grid), _entry(curve_key, curve)]


def _grid(found: Survey, wanted: Request, recipe: Recipe, last: str) -> dict[str, Any]:
    """Samples by classes, as far as each has some; the labels of samples follow from their seeds."""
    classes, columns = GRID
    if wanted.num_classes:
        seeds = SeededNoise(range(recipe.num_samples))
        drawn = Counter(seeds.labels(wanted.num_classes).tolist())
        shown = range(min(classes, wanted.num_classes))
        least = min(drawn[label] for label in shown)
        if least > 1:
            names = [_Quoted(name) for name in list(found.counts)[: len(shown)]]
            while len(names) > 2 and sum(map(len, names)) > WIDTH // 2:
                names.pop()
            shown = shown[: len(names)]
            grid = {"run": f"scale-{value_key(1)}", "columns": min(columns, least)}
            return {**grid, "classes": list(shown), "names": names, "caption": "Samples of each class."}
        last = f"scale-{value_key(1)}"
    rows = min(classes, recipe.num_samples // columns)
    return {"run": last, "rows": rows, "columns": columns, "caption": "Samples."}


class _Quoted(str):
    """A text that stands in quotes whatever it is: "no" and "007" are names."""


def _entry(key: str, value: dict[str, Any], indent: int = 2) -> str:
    """An entry of YAML, `key: {...}`."""
    return _wrapped(f"{' ' * indent}{key}: {_flow(value)}")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if not isinstance(value, str):
        return str(value)
    plain = re.fullmatch(r"[A-Za-z0-9./][A-Za-z0-9 ./_:-]*", value) and not re.search(r":( |$)", value)
    if not isinstance(value, _Quoted) and plain and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _wrapped(line: str) -> str:
    """A line of YAML, on several where it is longer than WIDTH; they break behind commas, but for those in quotes."""
    margin = " " * (len(line) - len(line.lstrip()) + 2)
    lines = [""]
    for piece in PIECE.findall(line):
        if len(lines[-1]) + len(piece.rstrip()) > WIDTH and lines[-1].strip():
            lines.append(margin)
        lines[-1] += piece
    return "\n".join(map(str.rstrip, lines))
