"""Sample quality: feature statistics, FID and sFID, Inception Score, improved precision and recall.

Beyond the paper: KID, FID-infinity, density and coverage, precision and recall by class and in half precision.

Import the modules one by one: scoring then imports neither torch nor TensorFlow, because most modules need only numpy
and scipy. `torch_graph`, `torch_operations` and `small_extractor` need torch. `graph` and `freeze` need TensorFlow, and
import it when they are called.
"""
