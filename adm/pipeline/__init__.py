"""The graph of a params file: all jobs with their inputs, outputs and triggers.

Only this package knows paths and edges. Each kind of job has its home in one of the chapters: data, training,
sampling, scoring, report. Snakemake's rules, the dvc.yaml files, the command line, `adm plan`, `adm jobs` and
`adm verify` follow from them. It imports no torch and no stage. No stage imports it: it would become part of every
stage's code.
"""

from adm.pipeline.graph import Pipeline, kinds, pipeline_of
from adm.pipeline.jobs import Job, Kind

__all__ = ["Job", "Kind", "Pipeline", "kinds", "pipeline_of"]
