"""`sample`: a run's batch of samples."""

from pathlib import Path

from adm.artifacts.class_names import names_for_run
from adm.artifacts.manifest import MadeBy
from adm.determinism import make_deterministic
from adm.nets.checkpoints import load_network
from adm.parallel import process_group
from adm.params.models import ClassifierModelParams, DiffusionModelParams, UpsamplerModelParams
from adm.params.runs import SamplingParams
from adm.sampling.batch import read_batch, write_blocks
from adm.sampling.guided import block_sampler, block_trajectories, class_count
from adm.sampling.store import block_store


def run(
    run: SamplingParams,
    model: DiffusionModelParams | UpsamplerModelParams,
    classifier_model: ClassifierModelParams | None,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
    device: str,
    timeout_seconds: int,
    work: Path,
    guide_model: DiffusionModelParams | None = None,
) -> None:
    """Sample a run into a folder; several processes share its blocks.

    Finished blocks of an earlier try, for the same run and inputs, are read from `work`, this job's own folder.

    `inputs` are "checkpoint", with guidance "classifier" and "guide" (a checkpoint of `guide_model`), and for an
    upsampler "base", the samples to upsample.

    Raises:
        UserError: A checkpoint is of another network, or another process is sampling the same job.
    """
    make_deterministic(run.threads)
    num_classes = class_count(model, classifier_model) or 1
    with process_group(device, timeout_seconds) as group:
        base = read_batch(inputs["base"], group.rank_slice) if "base" in inputs else None
        where = group.device, group.rank_slice
        network = load_network(inputs["checkpoint"], model, *where, run.ema_length)
        classifier = load_network(inputs["classifier"], classifier_model, *where) if classifier_model else None
        guide = load_network(inputs["guide"], guide_model, *where) if guide_model else None
        group.barrier()
        sampled = block_sampler(block_trajectories(run, model, network, classifier, num_classes, base, guide))
        with block_store(work, {**made_by, "device": group.device.type}, group) as store:
            store.fill(run.blocks, sampled)
            if group.is_main:
                write_blocks(out, made_by, run.num_samples, map(store.read, run.blocks), names_for_run(inputs))
