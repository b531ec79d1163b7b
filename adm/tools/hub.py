"""`publish FOLDER`: a network as a folder for a model hub that remakes its images, and whether it does.

The texts of the folder, its card and its pipeline of diffusers, are templates in `hub_files`.
"""

import re
import shutil
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from adm.api import Model, load
from adm.artifacts.manifest import identity
from adm.artifacts.reading import read_json, read_npz
from adm.artifacts.released_files import PACKAGED, RECORD, WEIGHTS, placed
from adm.artifacts.writing import new_folder, write_json
from adm.config.metrics import METRICS
from adm.config.sampling import GuidedSampling
from adm.data.batches import to_uint8
from adm.diffusion.samplers import last
from adm.errors import UserError, some
from adm.machine import processor_name
from adm.metrics.protocols import EVALUATOR
from adm.nets.diffusers_export import write_pipeline
from adm.nets.opening import write_network
from adm.report.grids import save_sheet
from adm.sampling.batch import SAMPLES

TEMPLATES = Path(__file__).with_name("hub_files")

CLASSIFIER = "classifier.safetensors"

WRITTEN = {"README.md", "LICENSE", WEIGHTS, CLASSIFIER, SAMPLES, RECORD, "samples.png", "model_index.json"} | {
    *("pipeline.py", "unet", "scheduler", "classifier")
}
"""What a folder holds."""

COMPUTED = {"num_samples", "seed", "class_counts", "threads", "micro_batch", "precision", "compiled"} | {
    "classifier_precision"
}
"""Fields of a run that tell which images it has or how they are computed, and not how its network is sampled."""

TASK = "unconditional-image-generation"
"""What the hub calls making images from noise, of classes or not."""

SAME, LEVELS = 1e-5, 1
"""How far floats may lie apart on the same processor, and pixels on another one."""

NUM, SEED = 16, 0
"""The images that a folder remakes."""

LICENCE = re.compile("[a-z][a-z0-9.-]*")
"""How the hub's names of licences look."""


def write(out: Path, network: str, scored: Path | None = None, licence: str | None = None) -> None:
    """Write a network as a folder for a model hub.

    Args:
        out: The folder: a new one, an empty one, or one that was written so. Hidden files in it stay.
        network: What `adm.load` takes: a file, a folder, or a name.
        scored: What `adm score --out` wrote, or the metrics of a run, which tell how a checkpoint is best sampled, too.
        licence: The hub's name of the weights' licence; None is the project's for its own networks, else "unknown".

    Raises:
        UserError: A file or the licence does not fit, the network makes no images from noise, or `out` holds other
            files.
    """
    if licence is not None and not LICENCE.fullmatch(licence):
        raise UserError(f"--license {licence!r}: is no name of the hub's; write one as mit, cc-by-4.0 or other")
    there = {path.name for path in out.iterdir() if path.name[0] != "."} if out.is_dir() else set()
    if others := sorted(there - WRITTEN if RECORD in there else there):
        raise UserError(f"{out}: holds other files, {some(others)}; give a new folder, or one that was published so")
    file = placed(Path(network))
    scores = None if scored is None else _read_scores(scored, file)
    run = {} if scores is None else scores["run"]
    classifier = str(file.with_name(run["classifier"])) if "classifier" in run and file.is_dir() else None
    model = load(network, classifier, threads=1)
    sampling = dict(model.opened.card.sampling)
    names = (run.keys() | sampling.keys()) - {"classifier"}
    if run and sampling and (differ := sorted(name for name in names if run.get(name) != sampling.get(name))):
        raise UserError(f"{scored}: is of samples by another {some(differ)} than {network} recommends")
    sampling = {"steps": model.default_steps, **sampling, **run}
    sampling |= {"classifier": CLASSIFIER} if model.classifier else {}
    model.check_recommended(sampling)
    with new_folder(out) as folder:
        if model.classifier:
            write_network(folder / CLASSIFIER, model.classifier, torch.float32, {})
        write_network(folder / WEIGHTS, model.opened, torch.float32, sampling)
        model = load(folder, threads=1)
        classes = [*range(model.num_classes or 0)]
        made = _made(model, classes if 0 < len(classes) <= NUM else None, NUM, SEED)
        np.savez(folder / SAMPLES, **made)
        told = model.class_names or [*map(str, classes)]
        save_sheet(folder / "samples.png", made["arr_0"], [told[label] for label in made["arr_1"]] if classes else None)
        record = {"seed": SEED, "num": NUM, "processor": _processor(model), "torch": torch.__version__}
        run, reason = model.sampling(num=1).run, ""
        code = {name: (TEMPLATES / f"{name}.txt").read_text("utf-8") for name in ("pipeline.py", "classifier.py")}
        try:
            write_pipeline(folder, code, model.opened, model.classifier, run)
        except UserError as error:
            print(f"{out}: has no pipeline of diffusers: {(reason := str(error))}")
        licence = licence or ("mit" if network in PACKAGED else "unknown")
        facts = {"sampling": sampling, "record": record, "scores": scores, "licence": licence, "no_pipeline": reason}
        (folder / "README.md").write_text(_card(out.resolve().name, model, facts), "utf-8")
        (folder / "LICENSE").write_text(str(distribution("adm").read_text("licenses/LICENSE")), "utf-8")
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        write_json(folder / RECORD, {**record, "files": files})
        for kept in out.glob(".*"):
            (shutil.copytree if kept.is_dir() else shutil.copy)(kept, folder / kept.name)
    print(out)


def remakes(folder: Path) -> bool:
    """Remake the images of a folder from it alone, and tell whether they are the same.

    Raises:
        UserError: The folder lacks something, or a file is damaged.
    """
    record = read_json(folder / RECORD)
    if lacking := [name for name in record.get("files", []) if not (folder / name).is_file()]:
        raise UserError(f"{folder}: lacks {some(lacking)}; fetch the folder whole")
    model = load(folder, threads=1)
    arrays = {"arr_0": ("uint8", (None, *model.image_shape[1:], 3)), "arr_1": ("int64", (None,))}
    kept = read_npz(folder / SAMPLES, arrays | {"x_0": ("float32", (None, *model.image_shape))})
    classes = kept["arr_1"].tolist() if model.num_classes else None
    made = _made(model, classes, len(kept["arr_0"]), record["seed"])
    apart = float(np.abs(made["x_0"] - kept["x_0"]).max()), int(np.abs(made["arr_0"] - kept["arr_0"].astype(int)).max())
    here, then = (_processor(model), torch.__version__), (record["processor"], record["torch"])
    good = apart[0] <= SAME if here == then else apart[1] <= LEVELS
    wanted = f"floats within {SAME:g}" if here == then else f"pixels within {LEVELS}"
    print(f"{folder}: {len(kept['arr_0'])} images, made on {' with torch '.join(then)}, remade on", *here)
    print(f"floats differ by {apart[0]:.2g} at most, pixels by {apart[1]}; wanted are {wanted}:", end=" ")
    print("remade" if good else "NOT remade")
    return good


def _made(model: Model, classes: list[int] | None, num: int, seed: int) -> dict[str, Any]:
    """Sample images together: `arr_0`, the pixels, `arr_1`, the classes, and `x_0`, floats before rounding."""
    sampling = model.sampling(classes, num, seed=seed, batch=num)
    x_0 = last(sampling.trajectory(0)[1])
    return {"arr_0": to_uint8(x_0), "arr_1": sampling.labels, "x_0": x_0.cpu().numpy()}


def _processor(model: Model) -> str:
    if model.device.type == "cuda":
        return torch.cuda.get_device_name(model.device)
    return f"{processor_name()} ({torch.backends.cpu.get_cpu_capability()})"


def _read_scores(path: Path, network: Path) -> dict[str, Any]:
    """Read what `adm score --out` wrote of a network, or the metrics of one of its runs, and how that samples.

    Raises:
        UserError: It is neither, or of another network, or of a run that samples as no file tells.
    """
    content = read_json(path)
    run: dict[str, Any] = {}
    if "provenance" in content:
        facts, spreads = content["provenance"], content.get("intervals", {})
        of, own = facts.get("network"), identity(network)
        if of is None or facts["graph"]["protocol"] != EVALUATOR:
            made = "of images that tell no network" if of is None else f"as {facts['graph']['protocol']} computes them"
            raise UserError(f"{path}: holds scores {made}; make them by adm score {network} REFERENCE --out FILE.json")
        numbers, reference = content["metrics"] | content.get("further", {}), facts["reference"]["name"]
        count, words = facts["samples"]["num_images"], [f"Features by {facts['graph']['name']}.", *content["warnings"]]
    else:
        # Tables and intervals take an extra that remaking images does not need.
        from adm.metrics.intervals import metric_interval  # noqa: PLC0415
        from adm.report.metrics import read_scores, words_on_judge  # noqa: PLC0415

        if len(scored := read_scores(path)) != 1:
            raise UserError(f"{path}: scores {len(scored)} runs; give results/NAME/metrics/RUN.json of one")
        ((_, score),) = scored.items()
        told = {"steps": "250", **content["made_by"]["params"]["run"]}
        if unknown := [name for name in ("ema_length", "guide") if told.get(name) is not None]:
            raise UserError(f"{path}: is of samples by {unknown[0]}, which no file of weights tells")
        of, own, reference = told["checkpoint"], network.name if network.is_dir() else "", told["reference"]
        fields = GuidedSampling.model_fields.keys() - COMPUTED | {"classifier"}
        run = {{"gradient_scale": "scale"}.get(name, name): told[name] for name in told if name in fields}
        numbers, count, words = score.metrics, score.num_samples, [words_on_judge({"metrics": {"": path}})]
        ends = {name: metric_interval(name, each, score.num_samples) for name, each in score.jackknife.items()}
        spreads = {name: [each.low, each.high] for name, each in ends.items()}
    if of and own and of != own:
        raise UserError(f"{path}: is of another network than {network}")
    rows = []
    for name, metric in METRICS.items():
        if numbers.get(name) is not None:
            ends, error = spreads.get(name), numbers.get(str(metric.error))
            spread = {"interval_95": ends} if ends else {"standard_error": error} if error is not None else {}
            args = {"num_samples": count, **spread}
            rows.append({"type": name, "name": metric.label, "value": numbers[name], "args": args})
    return {"run": run, "rows": rows, "num_samples": count, "reference": reference, "words": " ".join(words)}


def _card(name: str, model: Model, facts: dict[str, Any]) -> str:
    import jinja2  # noqa: PLC0415

    guided = "classifier-guidance" if model.classifier else "classifier-free-guidance"
    tags = ["adm", "diffusion", *([guided] if model.classifier or "cfg_scale" in facts["sampling"] else [])]
    library = "adm" if facts["no_pipeline"] else "diffusers"
    metadata = {"license": facts["licence"], "library_name": library, "pipeline_tag": TASK, "tags": tags}
    if scores := facts["scores"]:
        data = {"type": scores["reference"], "name": scores["reference"]}
        results = {"task": {"type": TASK}, "dataset": data, "metrics": scores["rows"]}
        metadata |= {"model-index": [{"name": name, "results": [results]}]}
    card = model.opened.card
    made = {key: value for key, value in card.made_by.items() if key in ("step", "versions")}
    trained = {"model": model.params.model_dump(mode="json", exclude_defaults=True), **made}
    written = {"metadata": metadata, "training": {"preset": card.preset} if card.preset else trained}
    template = jinja2.Template((TEMPLATES / "README.md").read_text("utf-8"), keep_trailing_newline=True)
    texts = {key: yaml.safe_dump(each, sort_keys=False, allow_unicode=True) for key, each in written.items()}
    return str(template.render(name=name, model=model, version=version("adm"), **facts, **texts))
