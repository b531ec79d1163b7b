# Diffusion Models Beat GANs on Image Synthesis: every stage from data to tables and figures.
#
#   snakemake --cores 2                                             the embedded scale
#   snakemake --cores 2 --configfile scales/NAME/params.yaml        another one


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
        # Git holds the tables and figures, but not what they are made from: asked for here, so that a fresh clone that
        # has the ones makes the others.
        metrics_of(PARAMS.tables.table_8),
        metrics_of(PARAMS.figures.figure_6),
        f"{SAMPLES}/{PARAMS.figures.figure_21.run}",
