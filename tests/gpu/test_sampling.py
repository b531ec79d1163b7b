"""Samples and features of a GPU: the same bytes every time, and a CPU's to rounding."""

import numpy as np
import pytest
import torch

from adm.config.samplers import SAMPLERS
from adm.metrics.executors import TorchGraph
from adm.metrics.small_extractor import ExtractorNetwork, freeze
from adm.parallel import CPU
from adm.params.runs import RunParams
from adm.sampling.guided import block_sampler, block_trajectories


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_sampler_gives_the_same_bytes_every_time_and_a_cpus_to_rounding(
    gpu, tiny_model, randomised, sampler, precision
):
    models = tiny_model(attention_resolutions=[8]), tiny_model("classifier", attention_resolutions=[8])
    section = {"checkpoint": "m-0", "classifier": "c-0", "reference": "any", "gradient_scale": 1.0, "sampler": sampler}
    section |= {"steps": "10", "num_samples": 8, "micro_batch": 8, "precision": precision}

    def sampled(device):
        networks = (randomised(model).to(device).eval().requires_grad_(False) for model in models)
        return block_sampler(block_trajectories(RunParams.model_validate(section), models[0], *networks, 2))(0)

    first, again, other = sampled(gpu), sampled(gpu), sampled(CPU)
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, other.labels)
    # In levels of 255, on average.
    near = 0.1 if precision == "float32" else 5.0
    assert np.abs(first.images.astype(int) - other.images).mean() < near


def test_features_are_a_cpus_to_rounding_and_the_same_every_time(gpu, tmp_path):
    path = tmp_path / "extractor.pb"
    path.write_bytes(freeze(ExtractorNetwork(10, generator=torch.Generator().manual_seed(0))))
    images = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    here, again, there = (TorchGraph(path, device=device).features(images, 4) for device in (str(gpu), str(gpu), "cpu"))
    for name in ("pool", "spatial", "logits"):
        assert np.array_equal(getattr(here, name), getattr(again, name))
        np.testing.assert_allclose(getattr(here, name), getattr(there, name), rtol=1e-4, atol=1e-4, err_msg=name)
