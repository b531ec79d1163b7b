"""`train`: a segment of a model's training, from one checkpoint to the next."""

import logging
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from adm.artifacts.class_names import fact_of
from adm.artifacts.manifest import MadeBy, fingerprint, read_manifest, write_manifest
from adm.artifacts.seal import write_sealed_csv
from adm.artifacts.writing import new_file, new_folder
from adm.config.models import AnyModel, check_shared
from adm.data.batches import Batches
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.errors import UserError, about
from adm.nets.weights import build
from adm.parallel import process_group, stops_noted
from adm.params.data import DatasetParams
from adm.params.models import SegmentParams
from adm.params.schema import ExecutionParams
from adm.training.log import log_reports
from adm.training.loop import train
from adm.training.rolling import LOG, link_state, name_last_good, newest, rolling_folder, save_rolling, state_at
from adm.training.state import TrainingState
from adm.training.tasks import build_task

logger = logging.getLogger(__name__)


def run(
    segment: SegmentParams,
    model: AnyModel,
    dataset: DatasetParams,
    execution: ExecutionParams,
    device: str,
    start: int,
    inputs: Mapping[str, Path],
    out: Path,
    made_by: MadeBy,
    log: Path,
    work: Path,
) -> None:
    """Train from iteration `start` to `segment.stop`, or resume from an earlier try's state under `work`.

    `inputs` are "data" and "previous", the checkpoint at iteration `start`.

    The log grows beside that state, where no engine deletes it if training stops early. With several processes, each
    checks a part of the input files and computes a part of every batch; only the first one writes.

    Raises:
        SystemExit: A signal asked for an end. The state is saved then, and the same call goes on from it.
    """
    training, network = model.training, model.network
    data, previous = inputs["data"], inputs["previous"]
    make_deterministic(training.threads)
    with (
        process_group(device, execution.timeout_seconds) as group,
        rolling_folder(work, made_by, group) as rolling,
        name_last_good(rolling, previous),
    ):
        with about():  # as many as run, which may be others than the params file says
            check_shared(model, group.size)
        images = ImageShards(data, dataset.side, group.rank_slice, threads=training.threads)
        read_manifest(previous, checked=group.rank_slice)
        group.barrier()
        batches = Batches(
            images=images,
            image_size=network.image_size,
            batch_size=training.batch_size,
            crop=training.crop,
            flip=training.flip,
            seed=training.seeds.data,
            channels=network.image_channels,
        )
        state = TrainingState(build(model), build_task(model, group.device), training, group.device)
        saved = newest(rolling, group)
        state.load(saved or previous)
        if saved is None and state.step != start:
            raise UserError(f"{previous}: is a checkpoint of iteration {state.step}, not {start}")
        reports = train(state, batches, training, segment.stop, group)
        if group.is_main:
            every, earlier = execution.log_every, saved and saved / LOG
            reports = log_reports(reports, rolling / LOG, state.step, segment.stop, every, training.batch_size, earlier)
        saved_at = time.monotonic()
        with stops_noted() as stops:
            for report in reports:
                # Signals reach processes at different steps, and their clocks differ: after each step they agree on the
                # number of a signal, or on 1, which is below those, for a save alone.
                is_late = group.is_main and time.monotonic() - saved_at >= 60 * execution.save_minutes
                asked = group.largest(stops[0] if stops else int(is_late))
                is_due = report.step % execution.save_every == 0
                if asked or is_due or report.step == segment.stop:
                    group.check_identical(state.tensors(), f"iteration {report.step}")
                    if group.is_main:
                        save_rolling(state, rolling)
                    saved_at = time.monotonic()
                if asked > 1 and report.step < segment.stop:
                    group.barrier()  # the launcher ends all of them when one has ended
                    told = "stopped by %s at iteration %d of %d, which is saved; the same command goes on from there"
                    logger.warning(told, signal.Signals(asked).name, report.step, segment.stop)
                    sys.exit(128 + asked)
        if group.is_main:
            last = state_at(rolling, segment.stop)
            with new_file(log) as path, new_folder(out) as folder:
                rows = (last / LOG).read_text(encoding="utf-8")
                write_sealed_csv(path, rows, fingerprint(made_by["params"]))
                link_state(last, folder)
                # Processes and device can change the last bits of numbers.
                facts = {"step": state.step, "processes": group.size, "device": group.device.type}
                write_manifest(folder, made_by, facts | fact_of(images.class_names if network.num_classes else None))
        group.broadcast(0)  # the others wait for what the first one writes
