"""The stages: one module a verb, from its params sections and input artifacts to its output artifact."""
