"""`new`: a params file for images of one's own, from one look at their folder, and its dvc.yaml."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jinja2 import Environment, StrictUndefined
from numpy.typing import NDArray
from PIL import ImageColor, ImageMode

from adm.artifacts.manifest import identity
from adm.artifacts.released_files import placed, released_folder
from adm.artifacts.writing import new_files
from adm.config.data import Extractor
from adm.config.files import CHECKPOINTS, INCEPTION
from adm.config.metrics import FEWEST_FOR_INTERVALS
from adm.config.models import AnyModel, DiffusionModel
from adm.config.samplers import fast
from adm.data.clusters import clusters_of
from adm.data.sources import SOURCES, Source, cropped, held_out_of
from adm.data.survey import MOST_DECODED, Survey, survey
from adm.dvc_file import NAME as DVC
from adm.dvc_file import render as render_dvc
from adm.errors import UserError, about, some
from adm.machine import available_cores
from adm.nets.cost import network_cost
from adm.nets.opening import LoadedNetwork, open_network
from adm.nets.presets import preset_model
from adm.params.data import DatasetParams
from adm.params.load import check, load
from adm.params.models import DiffusionModelParams
from adm.params.references import KEY
from adm.params.section import value_key
from adm.pipeline import Pipeline
from adm.pipeline.report import SHEET
from adm.planning.recipe import JUDGE, OBJECTIVE, STAGES, Recipe, Request, channel_multiplier, choose, reached, rounded
from adm.report.grids import save_sheet
from adm.sampling.guided import SeededNoise
from adm.tools.publish import published
from adm.training.extractor import better_learned

HELD_OUT = 0.2
"""Share of the images that nothing is trained on."""

FEWEST, FEWEST_OF_CLASS = 40, 5
"""Images of all classes, and of each, of which a fifth is held out."""

SHOWN = 100
"""How many images the contact sheet beside the params file shows at most."""

JUDGE_PASSES = 12
"""Of an extractor over its images, at most. In more it learns them by heart: of 1,500 emoji, after 12 passes FID of
held-out images is 0.4, and 63 % are told; after 50 it is 8, and 71 % are."""

FEWEST_OF_JUDGE = 80
"""Minimum number of its iterations."""

TRIED_ON = 5000
"""Images at most on which an extractor tries what it learns better."""

ROWS, COLUMNS = 20, 8
"""Largest number of classes in a grid, and of samples in a row."""

CLUSTERS, LEAST_OF_CLUSTER = 16, 50
"""Clusters that take the place of classes, and the images of each."""

MOST_WATCHED = 100_000
"""Images that are looked at again and again for changes; of more a params file must ask for it."""


def run(
    name: str,
    images: Path,
    image_size: int | None,
    channels: int,
    is_labelled: bool,
    device: str,
    hours: float,
    background: str,
    pretrained: str | None,
    keep_classes: bool,
) -> None:
    """Write scales/NAME/params.yaml and its dvc.yaml; print what was found and chosen.

    The first has at most 35 lines, and some for each grid of further classes and their counts. A contact sheet beside
    them shows images as they will be trained.

    Args:
        name: The scale's.
        images: A folder with a folder of images a class.
        image_size: The side that they are trained at; none is enlarged. None is that of the source.
        channels: 3, or 1 to turn them grey.
        is_labelled: Whether the model is told their classes.
        device: What trains and samples: "cpu" or "cuda".
        hours: For all of it.
        background: The colour that transparent images are laid on.
        pretrained: The source, what is fine-tuned, given as `adm generate` takes it; None trains from scratch.
        keep_classes: Whether classes begin as the source's, which must be the same.

    Raises:
        UserError: The name is taken or none, there is no GPU, the images or the source will not do, or the size or the
            hours do not fit; nothing is written.
    """
    path = Path("scales", name, "params.yaml")
    _check_asked(name, path, channels, hours, device)
    opened = None if pretrained is None else _opened(pretrained, image_size)
    if opened is not None:
        image_size = opened.model.network.image_size
    elif image_size is None or keep_classes:
        raise UserError(f"{'--keep-classes: needs' if keep_classes else '--size: is missing, and so is'} --from")
    else:
        channel_multiplier(image_size)
    with about("--background"):
        ImageColor.getrgb(background)
    found = survey(images, image_size, is_labelled, background)
    print("\n".join(_summary(images, found, channels)))
    _check_images(images, found, image_size, is_labelled)
    if opened is not None and keep_classes:
        _check_kept(images, [*found.counts] if is_labelled else None, opened)
    places = (folder / INCEPTION.filename for folder in (Path(), Path("downloads"), released_folder()))
    graph = next((path for path in places if path.is_file() and path.stat().st_size == INCEPTION.size), None)
    labels, clusters = np.repeat(np.arange(len(found.counts)), [*found.counts.values()]), 0
    trained = np.flatnonzero(~held_out_of(labels, HELD_OUT, found.alike))
    if found.source == "lsun" and opened is None and found.num_images >= 2 * LEAST_OF_CLUSTER:
        clusters = min(CLUSTERS, found.num_images // LEAST_OF_CLUSTER)
        unread = np.arange(found.num_images) % clusters  # as many of each
        labels = unread if found.thumbnails is None else clusters_of(found.thumbnails, clusters)
        print(f"  without classes: {clusters} clusters of images that look alike take their place")
    told_apart = (
        [f"class {name!r}" for name in found.counts] if is_labelled else [f"cluster {n}" for n in range(clusters)]
    )
    class_counts = np.bincount(labels[trained], minlength=len(told_apart)).tolist()
    _check_parts(images, found, class_counts, told_apart)
    is_counted = is_labelled or (clusters > 0 and found.thumbnails is not None)
    wanted = Request(
        image_size=image_size,
        image_channels=channels,
        num_classes=len(told_apart) or None,
        num_images=len(trained),
        device=device,
        hours=hours,
        cores=available_cores(),
        scored_by_inception=graph is not None,
        source=opened,
        keep_classes=keep_classes,
        class_counts=class_counts if is_counted and max(class_counts) - min(class_counts) > 1 else None,
    )
    recipe = choose(wanted)
    dataset = _dataset(found, wanted, background)
    section = DatasetParams.model_validate(dataset)
    source = SOURCES[section.source](section)
    extractor = _extractor(source, _spread(trained, TRIED_ON), section, wanted) if graph is None else {}
    text = params_text(wanted, recipe, graph, dataset, extractor, found.num_images - len(trained))
    pipeline = Pipeline(check(yaml.safe_load(text), path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_files(path, path.with_name(DVC)) as (params, dvc):
        params.write_text(text, encoding="utf-8")
        dvc.write_text(render_dvc(path, [path], pipeline), encoding="utf-8")
    shown = _spread(trained, SHOWN)
    names = [[*found.counts][label] for label in source.labels[shown]] if is_labelled else None
    save_sheet(path.with_name(SHEET), cropped(source, shown, section), names)
    print("\n".join(_told(path, wanted, recipe, graph, extractor)))


def _opened(pretrained: str, image_size: int | None) -> LoadedNetwork:
    """Open the network that is fine-tuned, unless it makes images of another size, or none from noise."""

    def check_it(model: AnyModel) -> None:
        if not isinstance(model, DiffusionModel):
            raise UserError(f"--from {pretrained}: is of kind {model.kind!r}, not 'diffusion'")
        if image_size not in (None, side := model.network.image_size):
            raise UserError(f"--size {image_size}: does not fit {pretrained}, whose images are {side}x{side}")

    released = CHECKPOINTS.get(pretrained.removesuffix(".pt"))
    if released is not None and not Path(pretrained).exists():  # told before gigabytes are fetched
        check_it(preset_model(released))
    opened = open_network(placed(Path(pretrained)))
    check_it(opened.model)
    return opened


def _check_kept(images: Path, names: list[str] | None, opened: LoadedNetwork) -> None:
    """Refuse classes that are not the source's, by their number and, where it has any, their names."""
    count, its = opened.model.network.num_classes, opened.card.class_names
    if count != (names and len(names)) or (its and [*its] != names):
        of_source = some(its, 12) if its else count
        raise UserError(f"--keep-classes: {opened.path} has other classes than {images}: {of_source}; leave it out")


def _spread(indices: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = indices[np.linspace(0, len(indices) - 1, min(count, len(indices))).astype(int)]
    return chosen


def _check_asked(name: str, path: Path, channels: int, hours: float, device: str) -> None:
    if not KEY.fullmatch(name):  # it becomes the name of folders, as a key does
        raise UserError(f"{name!r}: is no name of a scale; letters a to z, digits, _ and - are accepted")
    if not Path("Snakefile").is_file():
        raise UserError("Snakefile: is not here; `adm new` adds a scale to a clone of the project, so call it in one")
    if there := [file for file in (path, path.with_name(DVC), path.with_name(SHEET)) if file.exists()]:
        raise UserError(f"{there[0]}: is there already; take another name, or remove it")
    _check_results(Path("results", name))
    if channels not in (1, 3):
        raise UserError(f"--channels {channels}: is not accepted; images have 3, or 1 if they are grey")
    if not 0 < hours < float("inf"):
        raise UserError(f"--hours {hours}: is not accepted; write a number above zero")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(f"--device {device}: has no GPU here; `adm new` measures how fast it trains, so call it there")


def _check_results(results: Path) -> None:
    """Refuse a results folder that holds what is published, or the results of another params file."""
    owner = "what is published" if results == published(results).parent else None
    for file in (Path("params.yaml"), *Path("scales").glob("*/params.yaml")):
        with suppress(UserError):  # what cannot be read owns nothing
            owner = f"the results of {file}" if Path(load(file).paths.results) == results else owner
    if owner is not None:
        raise UserError(f"{results.name!r}: {results} holds {owner}; take another name")


def _check_images(images: Path, found: Survey, image_size: int, is_labelled: bool) -> None:
    """Refuse images that `prepare` could not read, or would enlarge, and too few of them."""
    for files, trouble in (
        (found.broken, "cannot be read; repair or remove them"),
        (found.small, f"would be enlarged to --size {image_size}; remove them, or take a smaller size"),
    ):
        if files:
            named = some([f"{file} ({why})" for file, why in files.items()])
            raise UserError(f"{images}: {len(files)} of {found.num_images} images {trouble}: {named}")
    if found.num_images < FEWEST:
        raise UserError(f"{images}: has {found.num_images} images; {FEWEST} are the fewest to train on and hold out")
    for name, count in found.counts.items():
        if is_labelled and count < FEWEST_OF_CLASS:
            raise UserError(f"{images}: class {name!r} has {count} of the {FEWEST_OF_CLASS} images that each needs")


def _check_parts(images: Path, found: Survey, class_counts: Sequence[int], names: Sequence[str]) -> None:
    """Refuse near-duplicates that leave too few images to train on or hold out, or none of a class to train on."""
    trained, held_out = sum(class_counts), found.num_images - sum(class_counts)
    if held_out < FEWEST_FOR_INTERVALS or trained < FEWEST - FEWEST_FOR_INTERVALS:
        told = f"{trained} images would be trained on and {held_out} held out, because of {found.alike_told}"
        raise UserError(f"{images}: {told}; remove near-duplicates, or add images")
    for name, of_class in zip(names, class_counts, strict=False):  # without classes there are no names
        if not of_class:
            raise UserError(
                f"{images}: all images of {name} are near-duplicates and held out; add others, or remove them"
            )


def _summary(images: Path, found: Survey, channels: int) -> list[str]:
    lines = [f"{images}: {found.num_images} images"]
    if found.source != "lsun":
        of_each = [f"{name} ({count})" for name, count in found.counts.items()]
        lines.append(f"  in {len(of_each)} classes: {some(of_each, 12)}")
    modes = ", ".join(f"{count} {mode}" for mode, count in found.modes.most_common())
    low, high = found.sides
    lines.append(f"  {modes or 'none readable'}; short sides of {low}{f' to {high}' if high > low else ''} pixels")
    if found.left_out:
        lines.append(f"  left out: {', '.join(f'{count} {ending}' for ending, count in found.left_out.most_common())}")
    if found.alike_told:
        lines.append(f"  {found.alike_told}; each is trained on or held out whole")
    # Transparent ones may be laid on a coloured background.
    are_grey = all(ImageMode.getmode(mode).basemode == "L" and not mode.endswith("A") for mode in found.modes)
    if channels == 3 and found.modes and are_grey:
        lines.append("  none has colours: --channels 1 trains faster")
    if found.num_images > MOST_DECODED:
        lines.append(f"  more than {MOST_DECODED}, so their headers alone were read; `prepare` finds near-duplicates")
    return lines


def _told(path: Path, wanted: Request, recipe: Recipe, graph: Path | None, extractor: dict[str, Any]) -> list[str]:
    model = DiffusionModelParams.model_validate(recipe.model)
    size = f"{network_cost(model).parameters / 1e6:.1f} million parameters, {model.network.channels} channels"
    place = "a GPU" if wanted.device == "cuda" else f"{wanted.cores} {'core' if wanted.cores == 1 else 'cores'}"
    seconds = f"{recipe.seconds:.{0 if recipe.seconds >= 10 else 2}f}"
    rate = f"{recipe.iterations} iterations of {model.training.batch_size} images at {seconds} s each"
    task = "rotations" if "learns" in extractor else "classes"
    judge = f"the 2015 graph, {graph}"
    if not graph:
        judge = f"an extractor that learns {task} of these images in {extractor['iterations']} iterations;\n{12 * ' '}"
        judge += "`adm fetch inception` before `adm new` takes the 2015 graph, as papers do"
    return [
        f"{path}, {path.with_name(SHEET)}:",
        f"  network   {size}; {rate}",
        f"  samples   {wanted.runs} runs of {recipe.num_samples} images in {recipe.steps} steps",
        f"  scored by {judge}",
        *(f"  quality   such training with classes had FID {', '.join(known)}" for known in [reached(recipe)] if known),
        f"  time      about {_duration(recipe.hours)} on {place}",
        "Now type either of",
        f"  snakemake --cores {wanted.cores} --configfile {path}",
        f"  dvc repro {path.with_name(DVC)}",
    ]


def _duration(hours: float) -> str:
    return f"{hours * 60:.0f} min" if hours < 2 else f"{hours:.0f} hours"


def _dataset(found: Survey, wanted: Request, background: str) -> dict[str, Any]:
    root, here = found.root.resolve(), Path.cwd()
    root = root.relative_to(here) if root.is_relative_to(here) else root
    dataset = {"source": found.source, "root": str(root), "image_size": wanted.image_size}
    dataset |= {"num_classes": wanted.num_classes or len(found.counts), "held_out": HELD_OUT, "background": background}
    dataset |= {"watched": True} if found.num_images <= MOST_WATCHED else {}
    return dataset | ({"channels": 1} if wanted.image_channels == 1 else {})


def params_text(
    wanted: Request,
    recipe: Recipe,
    graph: Path | None,
    dataset: dict[str, Any],
    extractor: dict[str, Any],
    held_out: int,
) -> str:
    """Fill in the template of a params file, for a dataset that holds out so many images."""
    checkpoints = [recipe.iterations >> halvings for halvings in reversed(range(STAGES))]
    guided = [f"scale-{value_key(scale)}" for scale in wanted.scales]
    # The first scale of guidance is none; the last checkpoint is sampled so once.
    swept, rows = (checkpoints[:-1], ["through", guided[0]]) if guided else (checkpoints, ["through"])
    training = recipe.model["training"]
    file = (opened := wanted.source) and (opened.path / "ema.safetensors" if opened.path.is_dir() else opened.path)
    precision = {name: value for name, value in training.items() if name == "precision"}
    through = {"checkpoint": "model", **fast(recipe.steps)}
    through |= {"class_counts": wanted.class_counts} if wanted.class_counts else {}
    measured = min(held_out, int(HELD_OUT * max(min(wanted.num_images, recipe.num_samples), FEWEST)))
    loss = {"checkpoint": "model", "steps": recipe.steps, **precision, "part": "held_out", "num_images": measured}
    shown = guided[(len(guided) - 1) // 2] if guided else f"through-{value_key(recipe.iterations)}"
    guide = {"guide": {"checkpoint": "model-0"}} if wanted.source else {}
    guiding = {**guide, "sweep": {"guide.scale" if guide else "cfg_scale": list(wanted.scales)}}
    objective = {} if wanted.source else {**OBJECTIVE, "noise": recipe.model["noise"]}
    template = Environment(trim_blocks=True, undefined=StrictUndefined)  # noqa: S701 -- writes no HTML
    template.filters["entry"] = _entry
    text = Path(__file__).with_name("new_params.yaml").read_text(encoding="utf-8")
    return template.from_string(text).render(
        time=_duration(wanted.hours),
        device=wanted.device,
        dataset=dataset,
        graph=graph,
        md5=INCEPTION.md5,
        extractor=extractor,
        file=file,
        sha256=file and identity(file),
        step=opened and (opened.card.made_by.get("step") or 1),
        keep_classes=wanted.keep_classes,
        source=opened and {**opened.model.values(), "training": {"batch_size": training["batch_size"]}},
        network=recipe.model["network"],
        model={**objective, "checkpoints": checkpoints, "training": training},
        num_images=wanted.num_images,
        through={**through, **precision, "num_samples": recipe.num_samples, "sweep": {"iteration": swept}},
        scale={"like": "through", **guiding},
        loss={**loss, "sweep": {"iteration": checkpoints}},
        losses=[f"loss-{value_key(iteration)}" for iteration in checkpoints],
        rows=rows,
        guided=guided,
        grids=_grids(wanted, recipe, shown, dataset["source"] == "folder"),
    )


def _entry(value: dict[str, Any]) -> str:
    """Write an entry of a section in YAML's flow style, its further lines indented below its key."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=88)
    return re.sub(r"\n +", "\n    ", text.strip()[1:-1])


def _extractor(source: Source, tried_on: NDArray[np.int64], dataset: DatasetParams, wanted: Request) -> dict[str, Any]:
    """Describe the extractor that scores without the 2015 graph; on some images it tries what it learns better."""
    side = min(max(16, -(-wanted.image_size // 4) * 4), 64)
    section: dict[str, Any] = {"side": side, "iterations": 1, "least_accuracy": 0}
    seconds = JUDGE * 3600 * wanted.hours
    images = cropped(source, tried_on, dataset)
    tried, of_iteration = better_learned(
        Extractor.model_validate(section), images, source.labels[tried_on], min(0.05 * seconds, 15)
    )
    chance = 1 / tried.told(dataset.num_classes)
    most = JUDGE_PASSES * wanted.num_images / tried.batch_size
    section["iterations"] = rounded(max(min(seconds / of_iteration, most), FEWEST_OF_JUDGE))
    section["least_accuracy"] = round(chance + 0.1 * (1 - chance), 2)
    return {"dataset": "images", **section, **({"learns": tried.learns} if tried.learns != "classes" else {})}


def _grids(wanted: Request, recipe: Recipe, run: str, has_classes: bool) -> dict[str, dict[str, Any]]:
    """Describe the grids of a run: a row for each class, of many in several grids; without classes, its first samples.

    Rows are as long as the shortest, which the samples' seeds tell; of unequal classes as their median.
    """
    if not has_classes or not wanted.num_classes:
        grid = {"run": run, "rows": min(10, recipe.num_samples // COLUMNS), "columns": COLUMNS, "caption": "Samples."}
        return {"grid": grid}
    labels = SeededNoise(range(recipe.num_samples)).labels(wanted.num_classes, wanted.class_counts)
    drawn = np.bincount(labels, minlength=wanted.num_classes)
    usual = np.median(drawn) if wanted.class_counts else drawn.min()
    first, *rest = np.array_split(np.arange(wanted.num_classes), -(-wanted.num_classes // ROWS))
    columns = min(COLUMNS, max(2, int(usual)))
    grid = {"run": run, "columns": columns, "classes": first.tolist(), "caption": "Samples of each class."}
    more = {f"grid-{number}": {"like": "grid", "classes": part.tolist()} for number, part in enumerate(rest, start=2)}
    return {"grid": grid, **more}
