"""`train`: a segment of a model's training, from one checkpoint to the next."""

from pathlib import Path

from tqdm import tqdm

from adm.artifacts.manifest import provenance, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.determinism import settle
from adm.nets.checkpoints import check_checkpoint
from adm.nets.weights import build
from adm.params.data import DatasetParams
from adm.params.models import ProgressParams, SegmentParams
from adm.training.log import TrainingLog
from adm.training.loop import train
from adm.training.rolling import newest, rolling_folder, save_rolling
from adm.training.state import TrainingState, check_step
from adm.training.tasks import TrainedModelParams, build_task


def run(
    segment: SegmentParams,
    model: TrainedModelParams,
    dataset: DatasetParams,
    progress: ProgressParams,
    start: int,
    *,
    data: Path,
    previous: Path,
    out: Path,
    work: Path,
    log: Path,
) -> None:
    """Train from `previous`, at iteration `start`, to `segment.stop`; an earlier try's state under `work` goes on."""
    settle(model.training.threads)
    images = ImageShards(data, dataset.image_size)
    check_checkpoint(previous, model)
    made_by = provenance(
        "train", {"segment": segment, "model": model}, {"data": data, "previous": previous}, ["torch", "safetensors"]
    )
    with rolling_folder(work, made_by) as rolling:
        state = TrainingState(build(model), build_task(model), model.training)
        saved = newest(rolling)
        state.load(saved or previous)
        if saved is None:
            check_step(state, start, previous)
        _train(state, model, progress, images, segment.stop, rolling, log)
        with new_folder(out) as folder:
            state.save(folder)
            write_manifest(folder, made_by, {"step": state.step})


def _train(
    state: TrainingState,
    model: TrainedModelParams,
    progress: ProgressParams,
    images: ImageShards,
    stop: int,
    rolling: Path,
    log: Path,
) -> None:
    training = model.training
    batches = Batches(
        images, model.network.image_size, training.batch_size, training.crop, training.flip, training.seed
    )
    with (
        TrainingLog(log, state.step, progress.log_every, training.batch_size) as rows,
        tqdm(total=stop, initial=state.step, unit="step", disable=None) as bar,
    ):
        for report in train(state, batches, training, stop):
            line = rows.add(report)
            if line:
                bar.write(line)
            bar.update()
            if report.step % progress.save_every == 0 and report.step < stop:
                save_rolling(state, rolling)
