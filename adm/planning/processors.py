"""What processors do while no accelerator computes: hash, decode, fit, and measure distances."""

from adm.metrics.fid_infinity import SIZES
from adm.pipeline import Job
from adm.planning.devices import DECODING, FLOPS_OF_A_THREAD, RESIZING
from adm.planning.images import ImageCounts
from adm.planning.storage import features_of_graph, features_of_run

DRAWN = 0.632
"""The share of rows that a replicate of the bootstrap draws at least once: 1 - 1/e."""

EIGENVALUES = 3.15
"""Operations of the eigenvalues of a symmetric matrix, as a multiple of its side cubed: by the time that they took
where `adm.planning.devices.FLOPS_OF_A_THREAD` was measured."""


def processor_seconds(counts: ImageCounts, job: Job) -> float:
    """How long a job computes on the threads that its section declares; nothing where accelerators do, or little is.

    Every thread is taken to multiply matrices all the time, so the real time is longer.
    """
    params, rate = counts.params, FLOPS_OF_A_THREAD * job.threads
    match job.rule:
        case "prepare":
            side: int = job.sections["dataset"].image_size
            return counts.of_job(job) * (DECODING + RESIZING * side**2)
        case "reference":
            pool, spatial, _ = features_of_graph(params, params.graphs[job.sections["reference"].extractor])
            return counts.of_job(job) * (pool**2 + spatial**2) / rate
        case "evaluate":
            run, (width, spatial, _) = job.sections["run"], features_of_run(params, job.key)
            real = counts.of_reference(run.reference)
            return evaluation_flops(run.num_samples, real, width, spatial, run.replicates) / rate
        case "neighbours":
            run = job.sections["study"].run
            samples, real = params.scored[run].num_samples, counts.of_job(job)
            # In float32, at twice the rate; distances within the dataset are symmetric.
            flops = (2 * samples * real + real**2) * features_of_run(params, run)[0] / 2
            return flops / rate
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
