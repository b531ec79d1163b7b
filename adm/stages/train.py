"""`train`: a segment of a model's training, from one checkpoint to the next."""

from pathlib import Path

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.sealed import write_sealed_csv
from adm.artifacts.writing import new_file, new_folder
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.determinism import settle
from adm.nets.checkpoints import check_checkpoint
from adm.nets.weights import build
from adm.parallel import joined
from adm.params.data import DatasetParams
from adm.params.execution import ExecutionParams
from adm.params.models import SegmentParams
from adm.training.log import logged
from adm.training.loop import check_group, train
from adm.training.rolling import naming_last_good, newest, rolling_folder, save_rolling
from adm.training.state import TrainingState, check_step
from adm.training.tasks import TrainedModelParams, build_task


def run(
    segment: SegmentParams,
    model: TrainedModelParams,
    dataset: DatasetParams,
    execution: ExecutionParams,
    device: str,
    start: int,
    *,
    data: Path,
    previous: Path,
    out: Path,
    work: Path,
    log: Path,
    curves: Path,
) -> None:
    """Train from `previous`, at iteration `start`, to `segment.stop`; an earlier try's state under `work` goes on.

    The log grows beside that state, where no engine deletes it when training stops half-way; the folder `curves` shows
    it to TensorBoard. Each process of several reads through part of what comes in and takes part of every batch; the
    first one writes.
    """
    training, side = model.training, model.network.image_size
    settle(training.threads)
    made_by = provenance(
        "train", {"segment": segment, "model": model}, {"data": data, "previous": previous}, ["torch", "safetensors"]
    )
    with (
        joined(device, execution.timeout_seconds) as group,
        rolling_folder(work, made_by, group) as rolling,
        naming_last_good(rolling, previous),
    ):
        check_group(model, group)
        images = ImageShards(data, dataset.image_size, group.turns)
        check_checkpoint(previous, model, group.turns)
        group.meet()
        batches = Batches(images, side, training.batch_size, training.crop, training.flip, training.seed)
        state = TrainingState(build(model), build_task(model, group.device), training, group.device)
        saved = newest(rolling, group)
        state.load(saved or previous)
        if saved is None:
            check_step(state, start, previous)
        growing, reports = rolling / "log.csv", train(state, batches, training, segment.stop, group)
        if group.is_first:
            log_every, batch_size = execution.log_every, training.batch_size
            reports = logged(reports, growing, state.step, segment.stop, log_every, batch_size, curves)
        for report in reports:
            if report.step % execution.save_every == 0 and report.step < segment.stop:
                group.agree(state.tensors(), f"iteration {report.step}")
                if group.is_first:
                    save_rolling(state, rolling)
        group.agree(state.tensors(), f"iteration {segment.stop}")
        if group.is_first:
            with new_file(log) as path, new_folder(out) as folder:
                write_sealed_csv(path, growing.read_text(encoding="utf-8"))
                state.save(folder)
                write_manifest(folder, made_by, {"step": state.step, **group.facts})
        group.wait()
