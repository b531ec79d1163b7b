"""The graph of a params file: all jobs with their inputs, outputs and triggers.

Only this module knows paths and edges. The Snakemake rules, the dvc.yaml files, the command line, `adm plan`, `adm
jobs` and `adm verify` use it. It imports no torch and no stage. No stage imports it: it would become part of every
stage's code.
"""

from adm.pipeline.graph import Pipeline
from adm.pipeline.jobs import RULES, SHARED, Job, Rule

__all__ = ["RULES", "SHARED", "Job", "Pipeline", "Rule"]
