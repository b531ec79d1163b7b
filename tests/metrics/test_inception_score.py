import numpy as np
import pytest

from adm.metrics import inception_score as module
from adm.metrics.inception_score import inception_score


def naive(logits, split_size):
    scores = []
    for start in range(0, len(logits), split_size):
        part = logits[start : start + split_size].astype(np.float64)
        p = np.exp(part) / np.exp(part).sum(axis=1, keepdims=True)
        kl = (p * (np.log(p) - np.log(p.mean(axis=0, keepdims=True)))).sum(axis=1)
        scores.append(np.exp(kl.mean()))
    return np.mean(scores)


@pytest.mark.parametrize("split_size", [1, 7, 50, 120, 5000])
def test_equals_naive_definition(monkeypatch, split_size):
    monkeypatch.setattr(module, "SPLIT_SIZE", split_size)
    logits = np.random.default_rng(0).standard_normal((120, 10)).astype(np.float32) * 4
    assert inception_score(logits) == pytest.approx(naive(logits, split_size), rel=1e-12)


def test_default_chunk_is_5000():
    logits = np.random.default_rng(2).standard_normal((5003, 4))
    parts = [inception_score(logits[:5000]), inception_score(logits[5000:])]
    assert inception_score(logits) == pytest.approx(np.mean(parts), rel=1e-14)


def test_limits():
    sure = 1.0e4 * np.eye(8)  # every class once, without a doubt: probabilities underflow to zero
    assert inception_score(sure) == pytest.approx(8.0)
    assert inception_score(np.tile(sure[:1], (8, 1))) == pytest.approx(1.0)
    assert inception_score(np.zeros((8, 5))) == pytest.approx(1.0)
