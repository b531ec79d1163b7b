"""Results in which no stage had a part: each job of a params file leaves what tells of it, and a few bytes."""

from pathlib import Path

from adm.artifacts.manifest import fingerprint, write_manifest
from adm.artifacts.seal import write_sealed_csv, write_sealed_json
from adm.params import load
from adm.params.load import write
from adm.pipeline import Pipeline
from adm.pipeline.carrying import made_by
from adm.report.shown import write_shown
from adm.stages import resolve

PARAMS = """\
paths: {results: results/tiny}
datasets:
  x: &x {source: digits, image_size: 8, num_classes: 10, shard_size: 100}
  y: {<<: *x, shard_size: 200}
extractors:
  g: {dataset: x, side: 16, iterations: 5, least_accuracy: 0.0}
models:
  m: &m
    kind: diffusion
    dataset: x
    checkpoints: [4, 9]
    network: {image_size: 8, channels: 32, channel_multiplier: [1], depth: 1, attention_resolutions: [], heads: 1}
    noise: {timesteps: 20, schedule: cosine}
    training: {batch_size: 4, learning_rate: 1.0e-3, ema_rate: 0.9, seed: 1}
  n: {<<: *m, checkpoints: [4]}
references:
  x: {dataset: x, num_images: 50}
  y: {dataset: y, num_images: 50}
published:
  samples:
    old: &old {url: "file:///nowhere/old.npz", image_size: 8, num_samples: 8, reference: x}
    new: {<<: *old, url: "file:///nowhere/new.npz"}
throughput:
  t: {model: m, naive_batch: 2, optimised_batch: 4}
runs:
  a: &a {checkpoint: m, steps: "3", num_samples: 8, reference: x}
  b: {<<: *a, checkpoint: n, reference: y}
tables:
  mine: {rows: [a, b], metrics: [fid], caption: Both runs.}
claims:
  better: {kind: lower, metric: fid, run: a, than: b, statement: Longer is better, source: nowhere}
"""


def fabricate(params: Path, root: Path | None = None) -> Path:
    """Have all jobs of a params file leave their artifacts in its results folder, or in another one."""
    pipeline = Pipeline(load(params), root=root)
    for job in pipeline.jobs.values():
        make(job, pipeline)
    return pipeline.root


def make(job, pipeline):
    """Have a job leave its artifacts, each with bytes of its own."""
    if job.kind.name == "resolve":
        resolve.run(write(pipeline.params), pipeline.triggers, job.outputs["jobs"], job.outputs["params"])
        return
    record = made_by(job)
    if "json" in job.outputs:
        contents = {path.suffix: job.name for path in job.outputs.values() if path.suffix != ".json"}
        write_shown(job.out, contents, record, number=job.name)
        return
    for name, path in job.outputs.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            write_sealed_json(path, {"number": job.name, "made_by": record})
        elif name == "out":
            path.mkdir(exist_ok=True)
            (path / "content.bin").write_bytes(job.name.encode())
            write_manifest(path, record)
        else:
            write_sealed_csv(path, "step\n1\n", fingerprint(job.values))
