"""Time on processors while no accelerator computes: decoding, fitting and measuring distances."""

from adm.metrics.fid_infinity import SIZES
from adm.metrics.jackknife import PARTS, num_parts, sets_left_out
from adm.params.data import DatasetParams, ReferenceParams
from adm.params.judges import parts
from adm.params.runs import ScoredParams
from adm.pipeline import Job
from adm.planning.devices import DECODING, FLOPS_OF_A_THREAD, RESIZING
from adm.planning.images import ImageCounts
from adm.planning.storage import features_of_graph, features_of_run

EIGENVALUES = 3.15
"""Operations for the eigenvalues of a symmetric matrix, as a multiple of its side cubed; derived from the time on the
processor of `adm.planning.devices.FLOPS_OF_A_THREAD`."""


def processor_seconds(counts: ImageCounts, job: Job) -> float:
    """Seconds of a job on the threads of its section; 0 if accelerators compute it, or if it is short.

    All threads are assumed to multiply matrices all the time, so the real time is longer.
    """
    params, rate = counts.params, FLOPS_OF_A_THREAD * job.threads
    match job.rule:
        case "prepare":
            return counts.of_job(job) * reading_seconds(job.sections["dataset"])
        case "dataset_features" if "dataset" in job.sections:
            return counts.of_job(job) * reading_seconds(job.sections["dataset"]) / job.threads
        case "reference":
            pool, spatial, _ = features_of_graph(params, params.graphs[job.sections["reference"].extractor])
            return counts.of_job(job) * (pool**2 + spatial**2) / rate
        case "evaluate" | "curve" | "judge":
            runs = job.sections["runs"] if job.rule == "curve" else {parts(job.key)[0]: job.sections["run"]}
            return sum(_scoring_flops(counts, job, key, run) for key, run in runs.items()) / rate
        case "neighbours":
            run = job.sections["neighbours"].run
            samples, real = params.scored[run].num_samples, counts.of_job(job)
            # float32 has twice the rate; distances within the dataset are symmetric.
            flops = (2 * samples * real + real**2) * features_of_run(params, run)[0] / 2
            return flops / rate
    return 0.0


def _scoring_flops(counts: ImageCounts, job: Job, key: str, run: ScoredParams) -> float:
    real = counts.of_reference(run.reference)
    if job.rule != "judge":
        width, spatial, _ = features_of_run(counts.params, key)
        return evaluation_flops(run.num_samples, real, width, spatial)
    width, *_ = features_of_graph(counts.params, job.sections["extractor"])
    reference = job.sections["reference"]
    # A judge also fits the reference's Gaussian, once a run.
    fitted = counts.trained_on(reference.dataset) if isinstance(reference, ReferenceParams) else real
    return evaluation_flops(run.num_samples, real, width, 0) + fitted * width**2


def reading_seconds(dataset: DatasetParams) -> float:
    """Seconds of one core to decode an image file and to crop the image, if it is, to the dataset's side."""
    return DECODING + RESIZING * (dataset.image_size or 0) ** 2


def evaluation_flops(samples: int, real: int, width: int, spatial: int) -> float:
    """Float64 operations of an evaluation; float32 operations count half.

    Args:
        samples: Number of images of the batch.
        real: Number of images of the reference.
        width: Number of an image's pooled features.
        spatial: Number of an image's spatial features.
    """
    kernels = (samples**2 + real**2 + 2 * samples * real) * width
    # Of recall, neighbours and balls are computed once more, for halves of the samples.
    manifolds = (2 * samples**2 + 2 * real**2 + 10 * samples * real) * width / 2
    fits = samples * (width**2 + spatial**2) + EIGENVALUES * (width**3 + spatial**3)
    subsets = SIZES * (0.55 * samples * width**2 + EIGENVALUES * width**3)
    # Sets of parts are left out of FID, and each part of every subset of FID-infinity; sums of two parts of the samples
    # are computed anew for each set.
    sets, lines = len(sets_left_out(samples)), SIZES * num_parts(samples)
    left_out = sets * (4 / PARTS * samples * width**2 + EIGENVALUES * width**3)
    left_out += lines * (2.2 / PARTS * samples * width**2 + EIGENVALUES * width**3)
    return kernels + manifolds + fits + subsets + left_out
