"""Stages called as the runner calls them, what artifacts record, datasets, and the sections of tiny models."""

from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from adm.artifacts.code import PACKAGE, code_digest
from adm.artifacts.manifest import fingerprint, provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.config.base import Config
from adm.data.shards import write_shard
from adm.errors import UserError
from adm.params.data import DatasetParams
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UpsamplerModelParams
from adm.pipeline import Pipeline
from adm.sampling.batch import Samples, write_blocks

PLACES = ("out", "log", "work")
"""Paths that are no inputs."""


TINY = {
    "network": {
        **{"image_size": 8, "channels": 32, "channel_multiplier": [1], "depth": 1, "attention_resolutions": []},
        **{"heads": 1, "num_classes": 2},
    },
    "noise": {"timesteps": 50, "schedule": "cosine"},
    "training": {"batch_size": 12, "learning_rate": 1e-3, "ema_rate": 0.9, "flip": True, "seed": 7, "threads": 1},
}
KINDS = {"diffusion": DiffusionModelParams, "upsampler": UpsamplerModelParams, "classifier": ClassifierModelParams}


def changed(params, **sections):
    """Copy a params file's sections, some of them others; what a copy has looked up is not copied."""
    return params.model_construct(**{name: getattr(params, name) for name in type(params).model_fields} | sections)


def tiny_model(kind="diffusion", **changes):
    """Build the section of a tiny model: `tiny_model("diffusion", timesteps=50, dropout=0.1, precision="float16")`.

    Keywords go to the subsection that has such a key.
    """
    section = {"kind": kind} | {name: dict(values) for name, values in TINY.items()}
    if kind == "upsampler":
        section["network"]["low_resolution"] = 4
    if kind != "classifier":
        section["objective"] = changes.pop("objective", "hybrid")
    fields = KINDS[kind].model_fields
    for key, value in changes.items():
        (part,) = (name for name in TINY if key in fields[name].annotation.model_fields)
        section[part][key] = value
    return KINDS[kind].model_validate(section)


def verbs(package=PACKAGE):
    """List the names of all stages."""
    return sorted(path.stem for path in (package / "stages").glob("[a-z]*.py"))


def record(verb, sections=(), inputs=(), libraries=()):
    """What an artifact records that a stage made: `record("prepare", {"dataset": section})`."""
    return provenance(verb, code_digest(verb), dict(sections), dict(inputs), libraries)


def make(stage, *args, **kwargs):
    """Call the function of a stage, and hand it the record of what else it is given."""
    parameters = signature(stage.run).parameters
    names = [name for name in parameters if name != "made_by"]
    given = dict(zip(names, args, strict=False)) | kwargs
    verb = stage.__name__.rpartition(".")[2]
    verb = "judge" if verb == "evaluate" and given.get("extractor") else verb
    inputs = {name: path for name, path in given.items() if isinstance(path, Path) and name not in PLACES}
    inputs |= given.get("inputs", {})
    artifacts = given.get("artifacts", {}).items()
    inputs |= {f"{kind}/{key}".rstrip("/"): path for kind, paths in artifacts for key, path in paths.items()}
    read = {name: value for name, value in given.items() if isinstance(value, Config | dict)}
    sections = {n: v for n, v in read.items() if n not in ("inputs", "execution", "artifacts", "read")}
    handed = {"made_by": record(verb, sections, inputs)} if "made_by" in parameters else {}
    stage.run(**handed | given)


def refusal_of(function, *arguments, **options):
    """The one line by which a call is refused."""
    with pytest.raises(UserError) as error:
        function(*arguments, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def write_dataset(out, images, labels=None, held_out=(), facts=None, **section):
    """Write a dataset as `prepare` would, of two classes in turn and in shards of 10, unless told otherwise."""
    given = {"source": "digits", "image_size": images.shape[1], "num_classes": 2, "shard_size": 10} | section
    labels = np.arange(len(images)) % 2 if labels is None else labels
    parts = {"training": (images, labels), "held_out": (held_out, np.arange(len(held_out)) % 2)}
    with new_folder(out) as folder:
        for part, arrays in parts.items():
            for number, start in enumerate(range(0, len(arrays[0]), given["shard_size"])):
                rows = slice(start, start + given["shard_size"])
                write_shard(folder, *(array[rows] for array in arrays), number, part)
        write_manifest(folder, record("prepare", {"dataset": DatasetParams(**given)}), facts)
    return out


def write_batch(out, stage, run, inputs, images, labels):
    """Write a batch of samples as a stage would."""
    write_blocks(out, record(stage, {"run": run}, inputs), len(images), [Samples(images, labels)])


def made_with(params, segment):
    """What the log of a segment says of its params."""
    return fingerprint(Pipeline(params).find("train", segment).values)


def timed(params, key):
    """The sections that a measured throughput records."""
    return {"throughput": params.throughput[key], "model": params.models[params.throughput[key].model]}


def everything_in(folder):
    """The bytes of all files below a folder, by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
