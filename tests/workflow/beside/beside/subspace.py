"""`subspace`: a linear subspace of a dataset's images, trained by Oja's rule."""

import numpy as np
from beside.kinds import SubspaceParams

from adm.artifacts.manifest import write_manifest
from adm.artifacts.streaming import write_npy
from adm.artifacts.writing import new_folder
from adm.data.shards import ImageShards


def run(subspace: SubspaceParams, dataset, inputs, out, made_by) -> None:
    """Train on random images; `inputs` is "data"."""
    images = ImageShards(inputs["data"], dataset.side)
    rng = np.random.default_rng(subspace.seed)
    basis = np.linalg.qr(rng.standard_normal((3 * dataset.side**2, subspace.rank)))[0]
    for _ in range(subspace.iterations):
        chosen = np.sort(rng.choice(len(images), 64, replace=False))
        seen = np.concatenate(list(images.chunks(chosen))).reshape(64, -1) / 127.5 - 1
        basis = np.linalg.qr(basis + subspace.learning_rate * seen.T @ (seen @ basis))[0]
    with new_folder(out) as folder:
        write_npy(folder / "basis.npy", basis.astype(np.float32))
        write_manifest(folder, made_by)
