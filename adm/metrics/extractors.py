"""The extractor as an artifact: a folder that holds a frozen graph."""

GRAPH = "graph.pb"
