"""Sample quality: feature statistics, FID and sFID, Inception Score, improved precision and recall.

Beyond the paper: KID, FID-infinity, density and coverage, precision and recall by class.

Import the modules one by one: scoring then imports neither torch nor TensorFlow, because most modules need only numpy
and scipy. `executors` and the networks, `graph_network`, `small_extractor` and `dinov2`, need torch. TensorFlow is
imported when it runs or writes a graph.
"""
