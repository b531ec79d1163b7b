# Diffusion Models Beat GANs on Image Synthesis: every stage from data to the tables and figures of the appendix.
#
#   snakemake --cores 2                               the embedded scale, params.yaml
#   snakemake --cores 2 --configfile FILE             another one, whose `paths.params` is FILE
#   snakemake --cores 2 fast                          Table 6 and Figure 13 alone


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/sampling.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/report.smk"


# On a cluster, too: what takes no time, and what needs a network that compute nodes rarely have.
localrules:
    all,
    fast,
    check,
    fetch,


rule all:
    default_target: True
    input:
        rules.check.output,
        tables(*TABLE_NAMES),
        figures(*FIGURE_NAMES),
        rules.claims.output,
        # Everything else that the params file names, in a table or not. Git holds the tables and figures alone: a fresh
        # clone has them, and still makes what they are made from.
        everything(),


# A first look: a table and a figure.
rule fast:
    input:
        tables("table_6"),
        figures("figure_13"),


onstart:
    from workflow.locks import hold

    # Not while DVC, or another Snakemake, makes the same results.
    try:
        hold(ROOT)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    minutes = PARAMS.execution.expected_minutes
    if minutes:
        print(f"{ROOT}: the whole takes about {minutes} minutes on 2 cores, what is there already taken off.")
