"""A run with a guide, from the params file to its samples: the guide's checkpoint is read, and must be the right."""

from pathlib import Path

import numpy as np
import yaml

NETWORK = {"image_size": 4, "channels": 32, "channel_multiplier": [1], "depth": 1, "heads": 1, "num_classes": 10}
MODEL = {"kind": "diffusion", "network": NETWORK, "training": {"batch_size": 2, "label_dropout": 0.5, "seed": 1}}
RUN = {"checkpoint": "strong-0", "reference": "digits", "steps": "3", "num_samples": 5, "micro_batch": 2}
GUIDE = {"guide": {"checkpoint": "weak-0", "scale": 2.0}}


CONTENT = {
    "paths": {"results": "results/a"},
    "datasets": {"digits": {"source": "digits", "image_size": 4, "num_classes": 10}},
    "extractors": {"digits": {"dataset": "digits", "side": 8, "iterations": 1, "least_accuracy": 0}},
    "references": {"digits": {"dataset": "digits", "num_images": 20}},
    "models": {"strong": MODEL, "weak": {**MODEL, "network": {**NETWORK, "depth": 2}}},
}


def test_a_guides_checkpoint_is_read_and_a_missing_or_wrong_one_is_refused(verbs):
    runs = {"plain": RUN, "auto": RUN | GUIDE, "free": RUN | {"cfg_scale": 2.0}}
    content = CONTENT | {"runs": runs}
    code, _, error = verbs(content, "init strong", "sample plain", "sample free", "sample auto")
    assert (code, "weak-0" in error) == (2, True)
    assert verbs(content, "init weak", "sample auto")[0] == 0
    arrays = {run: np.load(f"results/a/samples/{run}/samples.npz") for run in runs}
    assert all(np.array_equal(arrays[run]["arr_1"], arrays["plain"]["arr_1"]) for run in runs)
    manifest = yaml.safe_load(Path("results/a/samples/auto/manifest.json").read_text())
    assert set(manifest["inputs"]) == {"checkpoint", "guide"}
    assert manifest["params"]["run"]["guide"] == GUIDE["guide"]
    checkpoints = Path("results/a/checkpoints")
    (checkpoints / "weak-0").rename(checkpoints / "kept")
    (checkpoints / "strong-0").rename(checkpoints / "weak-0")
    (checkpoints / "kept").rename(checkpoints / "strong-0")
    code, _, error = verbs(content, "sample auto")
    assert (code, error.count("\n")) == (2, 1)
