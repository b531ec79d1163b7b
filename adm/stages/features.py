"""`features`: pooled, spatial and logit features of a sample batch, a dataset or a reference batch."""

from collections import deque
from pathlib import Path

import numpy as np

from adm.artifacts.manifest import MadeBy, read_manifest, write_manifest
from adm.artifacts.streaming import CHUNK
from adm.artifacts.writing import new_folder
from adm.config.data import GraphParams
from adm.data.images import open_npz
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.errors import about
from adm.metrics.batches import REFERENCE, judge_of, write_features
from adm.metrics.executors import file_of, open_graph
from adm.parallel import process_group
from adm.params.data import DatasetParams
from adm.progress import rows_of
from adm.sampling.batch import SAMPLES


def run(
    extractor: GraphParams,
    images: Path,
    graph: Path,
    out: Path,
    made_by: MadeBy,
    device: str,
    timeout_seconds: int,
    dataset: DatasetParams | None = None,
) -> None:
    """Run the extractor's graph over every image of an artifact; several processes share its batches.

    Images and features are in memory a batch at a time. A dataset's held-out images come last. A dataset that stores
    files is given with its section, for the side of its images.

    Raises:
        UserError: The graph cannot be run, or an artifact is missing, changed or of another kind.
    """
    make_deterministic(extractor.threads)
    with process_group(device, timeout_seconds) as group:
        read_manifest(graph, checked=group.rank_slice)
        files = read_manifest(images, checked=group.rank_slice).files
        # The files decide the kind, because `adopt` makes artifacts of both kinds.
        if stored := [name for name in (SAMPLES, REFERENCE) if name in files]:
            batch = open_npz(images / stored[0])
            count, chunks = batch.count, batch.chunks(CHUNK)
        else:
            side = dataset.side if dataset else None
            shards = ImageShards(images, side, group.rank_slice, ("training", "held_out"), extractor.threads)
            count, chunks = len(shards), shards.chunks(np.arange(len(shards)))
        group.barrier()
        with about(f"{images} through {graph}"):
            executor = open_graph(extractor, graph / file_of(extractor), str(group.device))
            batches = executor.batches(rows_of(chunks, count), extractor.feature_batch, group.map)
            if not group.is_main:
                deque(batches, maxlen=0)  # its share is computed, and handed to the first process
                return
            with new_folder(out) as folder:
                write_features(folder, count, batches)
                write_manifest(folder, made_by, {"num_images": count, **judge_of(graph)})
