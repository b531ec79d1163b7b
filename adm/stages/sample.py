"""`sample`: a run's batch of samples, or one shard of it."""

from pathlib import Path

import numpy as np

from adm.determinism import make_deterministic
from adm.nets.checkpoints import load_network
from adm.parallel import process_group
from adm.params.errors import UserError
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams, UpsamplerModelParams
from adm.params.runs import SamplingParams
from adm.progress import progress
from adm.sampling.batch import read_batch, write_batch, write_shard
from adm.sampling.blocks import WHOLE, Shard, blocks_of, samples_of
from adm.sampling.guided import Samples, block_sampler, class_count


def run(
    run: SamplingParams,
    model: DiffusionModelParams | UpsamplerModelParams,
    classifier: ClassifierModelParams | UniformModelParams,
    inputs: dict[str, Path],
    out: Path,
    shard: Shard | None,
    device: str,
    timeout_seconds: int,
) -> None:
    """Sample a run into a folder, or one shard of it into a file; several processes take turns at its blocks.

    `inputs` are "checkpoint" and "classifier"; an upsampler's are "checkpoint" and "base", the samples it upsamples.

    Raises:
        UserError: A checkpoint is of another model, or the samples to upsample are too few or of another size.
    """
    make_deterministic(run.threads)
    part = shard or WHOLE
    blocks = blocks_of(part, run.num_samples, run.micro_batch)
    num_classes = class_count(model, classifier) or 1
    with process_group(device, timeout_seconds) as group:
        base = None
        if isinstance(model, UpsamplerModelParams):
            base = _read_base(inputs["base"], run, model, group.rank_slice)
        network, guide = (
            load_network(inputs[name], section, group.device, group.rank_slice) if name in inputs else None
            for name, section in (("checkpoint", model), ("classifier", classifier))
        )
        group.barrier()
        assert network is not None
        finished = group.map(block_sampler(run, model, network, guide, num_classes, base), blocks)
        size = model.network.image_size
        images, labels = [np.empty((0, size, size, 3), np.uint8)], [np.empty(0, np.int64)]
        for block in progress(finished, len(blocks), "block"):
            images.append(block[0])
            labels.append(block[1])
    if not group.is_main:
        return
    # The run's last block is computed whole, as every block is, and cut here.
    count = len(samples_of(part, run.num_samples, run.micro_batch))
    batch = np.concatenate(images)[:count], np.concatenate(labels)[:count]
    if shard is None:
        write_batch(out, "sample", run, inputs, *batch)
    else:
        write_shard(out, run, inputs, shard, *batch)


def _read_base(folder: Path, run: SamplingParams, model: UpsamplerModelParams, checked: slice) -> Samples:
    base, side = Samples(*read_batch(folder, checked)), model.network.low_resolution
    count, *found = base.images.shape[:3]
    if count < run.num_samples or found != [side, side]:
        raise UserError(
            f"{folder}: has {count} images of {found[0]}x{found[1]} pixels; the run upsamples {run.num_samples} of "
            f"{side}x{side}"
        )
    return base
