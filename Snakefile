# Diffusion Models Beat GANs on Image Synthesis: every stage from data to the tables and figures of the appendix.
#
#   snakemake --cores 2                               the embedded scale, params.yaml
#   snakemake --cores 2 --configfile FILE             another scale
#   snakemake --cores 2 fast                          a first look: only Table 6 and Figure 13


include: "workflow/common.smk"


# Each kind of job is a rule. The chapters are modules of `adm.pipeline`, which declare the kinds:
#
#   data          the written-out params file, published files, datasets, feature graphs
#   training      a model's initial checkpoint, then a chain of segments; GANs; the cost of training
#   sampling      diffusion models, stacks that upsample them, GANs
#   scoring       features, reference batches, metrics
#   studies       interpolations, neighbours, likelihoods
#   report        tables, figures, claims, and all of them on one page
#
# Commands are evaluated when jobs start, after the loop; Snakemake then has the rule's own name in `rule`.
for rule in KINDS:

    rule:
        name:
            rule
        input:
            inputs(rule),
        output:
            outputs(rule),
        log:
            log_of(rule),
        wildcard_constraints:
            key=keys(rule),
        priority: KINDS[rule].priority
        threads: threads_of(rule)
        resources:
            **resources_of(rule),
        params:
            triggers=triggers(rule),
        shell:
            command(rule)


# Local on a cluster, too: rules that take no time, and downloads, because compute nodes rarely have a network.
localrules:
    all,
    fast,
    resolve,
    report,
    fetch,


# Everything that the params file names, even if no table or figure shows it.
rule all:
    default_target: True
    input:
        [path for found in PIPELINE.jobs.values() for path in found.outputs.values()],


rule fast:
    input:
        [
            path
            for found in ("table/table_6", "figure/figure_13")
            if found in PIPELINE.jobs
            for path in PIPELINE.jobs[found].outputs.values()
        ],


onstart:
    from adm import fork_server
    from workflow import bar
    from workflow.locks import hold

    # Refuse to run while DVC or another Snakemake makes the same results.
    try:
        hold(ROOT)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    # On a cluster, and in containers, jobs start by themselves; a few start sooner so.
    alone = not workflow.local_exec or workflow.deployment_settings.deployment_method
    if not alone and sum(1 for _ in workflow.dag.needrun_jobs()) >= MANY:
        fork_server.start(FILE)
    # Here no rate of jobs needs a limit. With one, each job that ends has the scheduler look at all others again every
    # few seconds, for ever: after 530 of 1,500 jobs it held half a core.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    bar.start()
    minutes = PARAMS.execution.expected_minutes
    if minutes:
        print(f"{ROOT}: about {minutes} minutes on 2 cores, if nothing is there yet")
