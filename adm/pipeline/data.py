"""Kinds of jobs on data: the written-out params file, published files, datasets, and feature graphs."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adm.artifacts.manifest import read_record
from adm.data.listing import content
from adm.errors import UserError
from adm.params.data import DatasetParams
from adm.pipeline.jobs import Job, Kind

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline


def _resolved(graph: "Pipeline") -> Iterator[Job]:
    yield graph.job(RESOLVE, "", {})


def _fetched(graph: "Pipeline") -> Iterator[Job]:
    for part in FOLDERS:
        for key, published in getattr(graph.params.published, part).items():
            yield graph.job(FETCH, f"{part}/{key}", {}, published=published.file)


def _adopt(part: str, folder: str) -> Kind:
    def jobs(graph: "Pipeline") -> Iterator[Job]:
        for key, published in getattr(graph.params.published, part).items():
            model = {"model": graph.params.models[published.model]} if part == "checkpoints" else {}
            source = {"source": graph.path("fetch", f"{part}/{key}")}
            yield graph.job(kind, key, source, published=published, **model)

    kind = Kind(
        name=f"adopt_{part}",
        help="Turn a published file into the artifact that it stands for.",
        outputs={"out": f"{folder}/{{key}}/"},
        jobs=jobs,
        libraries=("numpy", "safetensors", "torch"),
        verb="adopt",
        prefix=f"{part}/",
    )
    return kind


def _prepared(graph: "Pipeline") -> Iterator[Job]:
    for key, dataset in graph.params.datasets.items():
        if dataset.of is None:
            images = {"images": _watched(dataset, graph.path("prepare", key))} if dataset.watched else {}
            yield graph.job(PREPARE, key, {}, dataset=dataset.prepared, **images)


def _watched(dataset: DatasetParams, prepared: Path) -> dict[str, Any] | None:
    """Identify the images of a dataset; where its folder is not, those that it was prepared from."""
    with suppress(UserError):  # nothing was prepared
        return content(dataset) if Path(str(dataset.root)).is_dir() else read_record(prepared).params.get("images")
    return None


FOLDERS = {"checkpoints": "checkpoints", "samples": "samples", "references": "references", "graphs": "extractors"}
"""By the parts of the section `published`, the folders of the artifacts that its files become."""

RESOLVE = Kind("resolve", {"jobs": "jobs/", "params": "params.yaml"}, jobs=_resolved)
FETCH = Kind("fetch", {"out": "downloads/{key}/"}, jobs=_fetched)
PREPARE = Kind(
    name="prepare",
    help="Turn a source of images into shards.",
    outputs={"out": "data/{key}/"},
    jobs=_prepared,
    libraries=("numpy", "pillow"),
    priority=2,  # all training waits for it
)
EXTRACTOR = Kind(
    name="extractor",
    help="Train a small extractor of features and write it as a TensorFlow graph.",
    outputs={"out": "extractors/{key}/"},
    section="extractors",
    reads=("dataset",),
    libraries=("torch",),
)

KINDS = [RESOLVE, FETCH, *(_adopt(*each) for each in FOLDERS.items()), PREPARE, EXTRACTOR]
