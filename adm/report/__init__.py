"""Tables and figures, from metrics and sample batches; no torch."""
