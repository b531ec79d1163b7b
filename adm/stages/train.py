"""`train`: a segment of a model's training, from one checkpoint to the next."""

import hashlib
import json
import shutil
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from adm.artifacts.manifest import provenance, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.determinism import settle
from adm.nets.weights import build
from adm.params.data import DatasetParams
from adm.params.errors import UserError
from adm.params.models import ProgressParams, SegmentParams
from adm.training.log import TrainingLog
from adm.training.loop import train
from adm.training.state import TrainingState, check_step, newest, save_rolling
from adm.training.tasks import TrainedModelParams, build_task


def run(
    segment: SegmentParams,
    model: TrainedModelParams,
    dataset: DatasetParams,
    progress: ProgressParams,
    start: int,
    data: Path,
    previous: Path,
    out: Path,
    work: Path,
    log: Path,
) -> None:
    """Train from `previous`, at iteration `start`, to `segment.stop`.

    A rolling state under `work`, which no engine knows of, lets a killed run go on where it stood. Its folder is named
    after everything that decides the result, so a run with other params never meets it.
    """
    training = model.training
    settle(training.threads)
    images = ImageShards(data, dataset.image_size)
    read_manifest(previous, "init", "train")
    made_by = provenance(
        "train", {"segment": segment, "model": model}, {"data": data, "previous": previous}, ["torch", "safetensors"]
    )
    fingerprint = hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]
    rolling = work / fingerprint
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(work / f"{fingerprint}.lock", timeout=0):
            state = TrainingState(build(model), build_task(model), training)
            saved = newest(rolling)
            state.load(saved or previous)
            if saved is None:
                check_step(state, start, previous)
            _train(state, model, progress, images, segment.stop, rolling, log)
            with new_folder(out) as folder:
                state.save(folder)
                write_manifest(folder, made_by, {"step": state.step})
            shutil.rmtree(rolling, ignore_errors=True)
    except Timeout as error:
        raise UserError(f"{work}: another process is training this segment and holds {fingerprint}.lock") from error


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
    rows = TrainingLog(log, state.step, progress.log_every, training.batch_size)
    with tqdm(total=stop, initial=state.step, unit="step", disable=None) as bar:
        for report in train(state, batches, training, stop):
            line = rows.add(report)
            if line:
                bar.write(line)
            bar.update()
            if report.step % progress.save_every == 0 and report.step < stop:
                save_rolling(state, rolling)
    rows.close()
