"""What processors do while no accelerator computes: hash, decode, fit, and measure distances."""

from adm.metrics.fid_infinity import SIZES
from adm.params.schema import Params
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

    Every thread is taken to multiply matrices all the time, so the real time is longer.
    """
    match job.rule:
        case "prepare":
            return images_of_job(params, job) * (DECODING + RESIZING * params.datasets[job.key].image_size ** 2)
        case "reference":
            pool, spatial, _ = features_of_reference(params, job.key)
            fits = images_of_job(params, job) * (pool**2 + spatial**2)
            return fits / (FLOPS_OF_A_THREAD * params.references[job.key].threads)
        case "evaluate":
            run, (width, spatial, _) = params.scored[job.key], features_of_run(params, job.key)
            real = images_of_reference(params, run.reference)
            flops = evaluation_flops(run.num_samples, real, width, spatial, run.replicates)
            return flops / (FLOPS_OF_A_THREAD * run.threads)
        case "neighbours":
            study = params.neighbours[job.key]
            samples, real = params.scored[study.run].num_samples, images_of_job(params, job)
            width = features_of_run(params, study.run)[0]
            # In float32, at twice the rate; distances within the dataset are symmetric.
            flops = (2 * samples * real + real**2) * width / 2
            return flops / (FLOPS_OF_A_THREAD * study.threads)
    return 0.0


def evaluation_flops(samples: int, real: int, width: int, spatial: int, replicates: int) -> float:
    """Operations of an evaluation in float64; those in float32 count half.

    Args:
        samples: Images of the batch.
        real: Images of the reference.
        width: Pooled features of an image.
        spatial: Its spatial features.
        replicates: Of the bootstrap.
    """
    kernels = (samples**2 + real**2 + 2 * samples * real) * width
    manifolds = (samples**2 + 2 * real**2 + 6 * samples * real) * width / 2
    fits = samples * (width**2 + spatial**2) + EIGENVALUES * (width**3 + spatial**3)
    subsets = SIZES * (0.55 * samples * width**2 + EIGENVALUES * width**3)
    resampled = replicates * (DRAWN * samples * width**2 + (4 + EIGENVALUES) * width**3)
    return kernels + manifolds + fits + subsets + resampled
