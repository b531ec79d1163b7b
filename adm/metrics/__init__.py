"""Sample quality: feature statistics, FID and sFID, Inception Score, improved precision and recall.

Beyond the paper: KID, FID-infinity, density and coverage, precision and recall by class and in half precision.

The modules are imported one by one, so that scoring pays neither for torch nor for TensorFlow: numpy and scipy are all
that most of them need; `torch_graph`, `torch_operations` and `small_extractor` need torch, `graph` and `freeze`
TensorFlow, and that only once they are called.
"""
