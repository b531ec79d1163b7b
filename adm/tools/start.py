"""`start released`: the first hour of a released network, a scale of 64 samples, written and carried out."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from string import Template

import torch

from adm.artifacts.released_files import fetch_released, name_of
from adm.artifacts.writing import new_file, remove_folder
from adm.config.files import CHECKPOINTS
from adm.determinism import make_deterministic
from adm.errors import UserError
from adm.machine import available_cores
from adm.nets.cost import network_cost
from adm.nets.presets import preset_model
from adm.nets.weights import model_network
from adm.params import load
from adm.pipeline import Job, Pipeline
from adm.pipeline.sampling import sampled
from adm.planning.costs import costs_of, flops_of
from adm.report.metrics import read_metrics
from adm.sampling.guided import block_sampler, block_trajectories, class_count
from adm.tools.jobs import states

FILE, TEMPLATE = Path("scales", "first_hour", "params.yaml"), Path(__file__).with_name("released_params.yaml")

RUN, PRECISION = "guided", 0.74
"""The run, and the precision at 64x64 that the makers give. Source: the README of the released code."""

SAMPLING = {"cpu": "sampler: ddim, steps: ddim25, micro_batch: 8", "cuda": "steps: 250, precision: float16"}
"""By device: on a GPU as the README of the released code samples, on a CPU as the paper does in few steps."""

REFERENCE = 10_000 * 64 * 64 * 3 + 8 * (2048**2 + 2023**2)
"""Bytes of a reference batch at 64x64: images, and covariances of features."""


def run(folder: Path, carry_out: Callable[[Path, str, str], None]) -> None:
    """Write the scale's params file unless it is there, tell what it takes, and do the jobs that are not done.

    The folder keeps the released files, and is where the stage `fetch` takes them from; what is missing is fetched.
    `carry_out` carries out the job of a params file, a verb and a key.

    Raises:
        UserError: A file cannot be fetched or is not what it should be, the disk is too full, or a job fails. What is
            done stays, and the next call goes on from there.
    """
    if not FILE.exists():
        write("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = Pipeline(load(FILE))
    for line in _told(pipeline, folder):
        print(line, flush=True)
    for job in _undone(pipeline):
        print(f"adm {' '.join(job.command)}", flush=True)
        if job.kind.verb == "fetch" and (name := name_of(job.sections["published"])):
            fetch_released(name, folder)
        try:
            carry_out(FILE, job.kind.verb, job.argument)
        except UserError as error:
            if job.kind.verb != "adopt":
                raise
            # The file is not what it should be: the next call takes another one.
            source, name = job.inputs["source"], job.sections["published"].filename
            remove_folder(source)
            why = str(error).replace(str(source), str(folder))
            raise UserError(f"{why}; put the right {name} there, or remove it, and type the same again") from error
    metrics = {"metrics": {RUN: pipeline.artifact("metrics", RUN)}}
    found, low, high = read_metrics(pipeline.params, [RUN], ["precision"], metrics).iloc[0]
    lies = "lies in its" if low <= PRECISION <= high else "does not lie in its"
    print(f"precision {found:.2f}; the makers' {PRECISION} {lies} 95 % interval, {low:.2f} to {high:.2f}")
    print(f"{pipeline.root / 'report.html'}: the images and their scores")


def write(device: str) -> None:
    """Write the params file for this machine and a device, "cpu" or "cuda"."""
    values = {"device": device, "sampling": SAMPLING[device], "threads": available_cores(), "precision": PRECISION}
    with new_file(FILE) as path:
        path.write_text(Template(TEMPLATE.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")


def _undone(pipeline: Pipeline) -> Iterator[Job]:
    """Yield each job that is not done, when its turn comes, but the untrained networks, which nothing reads.

    A file is checked before the next one is fetched.
    """
    jobs = [job for job in pipeline.jobs.values() if job.kind.name != "init"]
    files = [job.argument for job in jobs if job.kind.verb == "fetch"]
    jobs.sort(key=lambda job: files.index(job.argument) if job.kind.verb in ("fetch", "adopt") else len(files))
    yield from (job for job in jobs if states(pipeline)[job.name].word != "there")


def _told(pipeline: Pipeline, folder: Path) -> Iterator[str]:
    """Tell what the jobs that are not done take; a UserError tells that the disk has not that much room."""
    sampling, undone = pipeline.find("sample", RUN), list(_undone(pipeline))
    run, device = sampling.sections["run"], pipeline.params.resources.sample.device
    yield f"{FILE}: {run.num_samples} images of {run.checkpoint} guided by {run.classifier}, steps {run.steps}"
    needed = {folder: 0, pipeline.root: 0}
    for file in (job.sections["published"] for job in undone if job.kind.verb == "fetch"):
        path, preset = folder / file.filename, CHECKPOINTS.get(name_of(file) or "")
        size = file.size or (4 * network_cost(preset_model(preset)).parameters if preset else REFERENCE)
        is_there = f"{path.stat().st_size / 1e6:,.0f} MB are there" if path.is_file() else "to fetch"
        yield f"  {size / 1e6:6,.0f} MB  {path}: {is_there}"
        needed[folder] += 0 if path.is_file() else size
        needed[pipeline.root] += 2 * size  # a copy, and what it is turned into
    if flops := sum(flops_of(costs_of(job)) for job in undone):
        minutes = flops * _seconds_a_flop(sampling, device) / 60
        yield f"  {flops / 1e12:6,.0f} TFLOP, about {minutes:,.0f} min on this {device} (a step was measured)"
    for place, size in needed.items():
        free = shutil.disk_usage(next(one for one in place.absolute().parents if one.exists())).free
        yield f"  {size / 1e6:6,.0f} MB of {free / 1e6:,.0f} free in {place}"
        if free < size:
            raise UserError(f"{place}: has {free / 1e6:,.0f} MB free, and takes {size / 1e6:,.0f}")


def _seconds_a_flop(job: Job, device: str) -> float:
    """Measure a step of sampling by networks of zeros, of an image on a CPU and of a batch on a GPU."""
    whole, model, classifier = job.sections["run"], job.sections["model"], job.sections.get("classifier_model")
    images = 1 if device == "cpu" else whole.micro_batch
    run = whole.model_copy(update={"steps": "1", "micro_batch": images, "num_samples": images})
    make_deterministic(run.threads)
    network, *guide = [model_network(one).to_empty(device=device) for one in (model, classifier) if one]
    for tensor in (tensor for each in (network, *guide) for tensor in each.state_dict().values()):
        tensor.zero_()
    sample = block_sampler(
        block_trajectories(run, model, network, next(iter(guide), None), class_count(model, classifier) or 1)
    )
    for _ in range(2):  # the first sets up what later ones have
        began = time.perf_counter()
        sample(0)
        seconds = time.perf_counter() - began
    return seconds / flops_of(sampled(run, model, classifier))
