"""Inception Score from class logits."""

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp, xlogy

from adm.artifacts.streaming import stretches
from adm.metrics.features import FloatArray
from adm.metrics.jackknife import num_parts, parts_of, sets_left_out

SPLIT_SIZE = 5000
"""Rows in a chunk."""


def inception_score(rows: FloatArray) -> float:
    """Compute exp(mean KL(p(y|x) || p(y))) of consecutive chunks, averaged over the chunks.

    The rows are not shuffled. The last chunk is shorter if N is no multiple of SPLIT_SIZE; it has the same weight as
    the others. Probabilities are float64 logarithms, because the probability of an unlikely class may underflow.

    Args:
        rows: (N, C), finite, N >= 2: class logits without the classifier's bias.

    Returns:
        The score, in [1, C].

    Source: Appendix J; Salimans et al. 2016, Section 4.
    """
    return float(np.mean([_chunk_score(chunk) for chunk in stretches(rows, SPLIT_SIZE)]))


def _chunk_score(logits: npt.NDArray[np.floating]) -> float:
    log_conditional = log_softmax(logits.astype(np.float64), axis=1)
    log_marginal = logsumexp(log_conditional, axis=0) - np.log(len(logits))
    divergence = np.sum(np.exp(log_conditional) * (log_conditional - log_marginal), axis=1)
    return float(np.exp(divergence.mean()))


def inception_score_without(rows: FloatArray) -> npt.NDArray[np.float64]:
    """Compute the score without each set of `sets_left_out`, (S,); chunks keep the samples that remain of them.

    The mean divergence from the marginal is the marginal's entropy minus the mean entropy, so sums over the parts of a
    chunk suffice. A chunk of which nothing remains does not count.
    """
    parts, sets = parts_of(len(rows)), sets_left_out(len(rows))
    of_part = np.eye(num_parts(len(rows)))[parts]
    kept = np.ones((len(sets), of_part.shape[1]))
    for number, left_out in enumerate(sets):
        kept[number, list(left_out)] = 0.0
    total, num_chunks = np.zeros(len(sets)), np.zeros(len(sets))
    for start in range(0, len(rows), SPLIT_SIZE):
        chunk = slice(start, start + SPLIT_SIZE)
        log_conditional = log_softmax(rows[chunk].astype(np.float64), axis=1)
        conditional, members = np.exp(log_conditional), of_part[chunk].T
        mass = kept @ members.sum(axis=1)
        marginal = kept @ (members @ conditional) / np.maximum(mass, 1.0)[:, None]
        negentropy = kept @ (members @ (conditional * log_conditional).sum(axis=1)) / np.maximum(mass, 1.0)
        total += np.where(mass > 0, np.exp(negentropy - xlogy(marginal, marginal).sum(axis=1)), 0.0)
        num_chunks += mass > 0
    return total / num_chunks
