"""What processors do while no accelerator computes: hash, decode, fit, and measure distances."""

from adm.metrics.fid_infinity import SIZES
from adm.params.file import Params
from adm.planning.devices import DECODING, FLOPS_OF_A_THREAD, RESIZING
from adm.planning.graph import Job
from adm.planning.images import images_of_job, images_of_reference
from adm.planning.storage import features_of_reference, features_of_run

DRAWN = 0.632
"""The share of rows that a replicate of the bootstrap draws at least once: 1 - 1/e."""

EIGENVALUES = 3.15
"""Operations of the eigenvalues of a symmetric matrix, as a multiple of its side cubed: by the time that they took
where `adm.planning.devices.FLOPS_OF_A_THREAD` was measured."""


def processor_seconds(params: Params, job: Job) -> float:
    """How long a job computes on the threads that its section declares; nothing where accelerators do, or little is.

    Products of float64 at the full rate of every thread: a lower bound, of which the real time may be twice as much.
    """
    match job.rule:
        case "prepare":
            return images_of_job(params, job) * (DECODING + RESIZING * params.datasets[job.key].image_size ** 2)
        case "reference":
            pool, spatial, _ = features_of_reference(params, job.key)
            fits = images_of_job(params, job) * (pool**2 + spatial**2)
            return fits / (FLOPS_OF_A_THREAD * params.references[job.key].threads)
        case "evaluate":
            return evaluation_flops(params, job) / (FLOPS_OF_A_THREAD * params.scored[job.key].threads)
        case "neighbours":
            study = params.neighbours[job.key]
            samples, real = params.scored[study.run].num_samples, images_of_job(params, job)
            width = features_of_run(params, study.run)[0]
            # In float32, at twice the rate; distances within the dataset are symmetric.
            flops = (2 * samples * real + real**2) * width / 2
            return flops / (FLOPS_OF_A_THREAD * study.threads)
    return 0.0


def evaluation_flops(params: Params, job: Job) -> float:
    """Operations of an evaluation, in float64; those in float32 count half."""
    run = params.scored[job.key]
    samples, real = run.num_samples, images_of_reference(params, run.reference)
    width, spatial, _ = features_of_run(params, job.key)
    pairs = (samples**2 + real**2 + 2 * samples * real) * width
    manifolds = (samples**2 + 2 * real**2 + 6 * samples * real) * width / 2
    fits = samples * (width**2 + spatial**2) + EIGENVALUES * (width**3 + spatial**3)
    subsets = SIZES * (0.55 * samples * width**2 + EIGENVALUES * width**3)
    resampled = run.replicates * (DRAWN * samples * width**2 + (4 + EIGENVALUES) * width**3)
    return pairs + manifolds + fits + subsets + resampled
