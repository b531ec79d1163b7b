"""TensorBoard's event files, written without TensorFlow: TensorBoard's own file writer would import it."""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

logger = logging.getLogger(__name__)

PATTERN = "events.out.tfevents.*"
"""TensorBoard finds event files by this name."""


class EventFile:
    """Scalars by step, in one file in the run's folder; event files of earlier tries are removed from the folder.

    No result depends on it. If it cannot be written, a warning says so and training continues without it.

    Args:
        folder: The run's folder; TensorBoard shows its name as the run's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: RecordWriter | None = None
        with self._optional():
            folder.mkdir(parents=True, exist_ok=True)
            for earlier in folder.glob(PATTERN):
                earlier.unlink()
            # A new name that sorts after all earlier ones: a running TensorBoard then switches to this file.
            path = folder / PATTERN.replace("*", f"{time.time_ns()}.{os.getpid()}")
            self._file = RecordWriter(path.open("wb", buffering=0))
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, step: int, wall_time: float, values: Mapping[str, float]) -> None:
        """Write the values of a step; `wall_time` in seconds since 1970."""
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, wall_time=wall_time, summary=Summary(value=scalars)))

    def close(self) -> None:
        """Close the file."""
        if self._file:
            with self._optional():
                self._file.close()

    def _write(self, event: Event) -> None:
        if self._file:
            with self._optional():
                self._file.write(event.SerializeToString())
                self._file.flush()

    @contextmanager
    def _optional(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self._file:
                self._file.close()
                self._file = None
            logger.warning("warning: %s: no more curves for TensorBoard: %s", self._folder, error.strerror or error)
