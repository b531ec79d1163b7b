"""Inception Score from class logits."""

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, logsumexp

from adm.artifacts.streaming import stretches
from adm.metrics.features import require_features


def inception_score(logits: npt.ArrayLike, split_size: int = 5000) -> float:
    """Compute exp(mean KL(p(y|x) || p(y))) of consecutive chunks, averaged over the chunks.

    The rows are not shuffled. The last chunk is shorter if N is no multiple of `split_size`; it has the same weight as
    the others. Probabilities are float64 logarithms, because the probability of an unlikely class may underflow.

    Args:
        logits: (N, C), real, finite, N >= 2: class logits without the classifier's bias.
        split_size: rows in a chunk, >= 1.

    Returns:
        The score, in [1, C].

    Raises:
        ValueError: logits are unusable (see `require_features`), or split_size is not positive.

    Source: Appendix J; Salimans et al. 2016, Section 4.
    """
    rows = require_features(logits, "logits")
    if split_size < 1:
        raise ValueError(f"split size is {split_size}, expected at least 1")
    return float(np.mean([_chunk_score(chunk) for chunk in stretches(rows, split_size)]))


def _chunk_score(logits: npt.NDArray[np.floating]) -> float:
    log_conditional = log_softmax(logits.astype(np.float64), axis=1)
    log_marginal = logsumexp(log_conditional, axis=0) - np.log(len(logits))
    divergence = np.sum(np.exp(log_conditional) * (log_conditional - log_marginal), axis=1)
    return float(np.exp(divergence.mean()))
