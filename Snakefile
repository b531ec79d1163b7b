# Diffusion Models Beat GANs on Image Synthesis: every stage from data to tables and figures.
#
#   snakemake --cores 2                               the embedded scale, params.yaml
#   snakemake --cores 2 --configfile FILE             another one, whose `paths.params` is FILE


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/sampling.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.check.output,
        tables("table_8"),
        figures("figure_6", "figure_21"),
        # Everything else that the params file names, in a table or not. Git holds the tables and figures alone: a fresh
        # clone has them, and still makes what they are made from.
        everything(),
