"""All that scores are of, made without a network: samples, a dataset, a graph, features and a reference."""

import numpy as np
from making import make, record, write_batch, write_dataset

from adm.artifacts.manifest import write_manifest
from adm.artifacts.streaming import write_npy
from adm.artifacts.writing import new_folder
from adm.config.data import GraphParams
from adm.params.data import ReferenceParams
from adm.params.runs import RunParams
from adm.stages import evaluate, reference

GRAPH = GraphParams(executor="torch", feature_batch=4)
AGAINST = ReferenceParams(dataset="d", extractor="e", num_images=30)
RUN = RunParams(checkpoint="c", reference="r", num_samples=24, steps="3")


class Scored:
    """A folder of artifacts by their names, in which `evaluate` scores a run."""

    def __init__(self, folder):
        self.folder, self.rng = folder, np.random.default_rng(0)
        with new_folder(folder / "graph") as path:
            (path / "graph.pb").write_text("graph")
            write_manifest(path, record("extractor"))
        self.samples("samples", RUN)
        write_dataset(folder / "data", self.rng.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8))
        self.features("dataset_features", "data", 40)
        self.reference()
        self.features("features", "samples")
        self.features("reference_features", "reference", AGAINST.num_images)

    def samples(self, name, run):
        images = self.rng.integers(0, 256, (run.num_samples, 8, 8, 3)).astype(np.uint8)
        write_batch(self.folder / name, "sample", run, {}, images, np.zeros(len(images), np.int64))

    def features(self, name, images, count=RUN.num_samples, graph="graph"):
        inputs = {"images": self.folder / images, "graph": self.folder / graph}
        with new_folder(self.folder / name) as folder:
            for layer, width in (("pool", 4), ("spatial", 6), ("logits", 3)):
                write_npy(folder / f"{layer}.npy", self.rng.normal(size=(count, width)).astype(np.float32))
            write_manifest(folder, record("features", {"extractor": GRAPH}, inputs), {"num_images": count})

    def reference(self):
        make(reference, AGAINST, self.folder / "dataset_features", self.folder / "data", self.folder / "reference")

    def evaluate(self, out, run=RUN, asked=None, **others):
        names = {name: name for name in ("samples", "features", "reference", "reference_features")} | others
        make(evaluate, run, {name: self.folder / place for name, place in names.items()}, out, asked)
