"""Sample quality: feature statistics, FID and sFID, Inception Score, improved precision and recall.

The modules are imported one by one, so that a reader of features pays neither for torch nor for TensorFlow:
`features`, `statistics`, `frechet` and `inception_score` need numpy and scipy, `manifold` and
`small_extractor` torch, `graph` and `freeze` TensorFlow, and that only once they are called.
"""
