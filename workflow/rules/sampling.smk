# Samples: of diffusion models, of stacks that upsample them, and of GANs. With `shards` above one, a run is cut into
# parts that go side by side, and gathered to the bytes that one process would write.
# `--set-scatter shards=8` cuts it finer; Snakemake then samples again what it had sampled in other shards.


SAMPLED = f"--params {FILE} --run {{wildcards.run}} --checkpoint {{input.checkpoint}} {{params.role}} {{input.source}}"


if PARAMS.execution.shards == 1:

    rule sample:
        input:
            checkpoint=checkpoint_of,
            source=classifier_of,
        output:
            directory(f"{SAMPLES}/{{run}}"),
        log:
            f"{LOGS}/sample/{{run}}.out",
        wildcard_constraints:
            run=keys(PARAMS.runs),
        threads: lambda w: scored(w).threads * PARAMS.resources.sample.processes
        resources:
            **resources_of("sample"),
        params:
            role="--classifier",
            triggers=triggers("sample", section_of_run),
        shell:
            logged(f"python -m adm sample {SAMPLED} --out {{output}}")

    use rule sample as upsample with:
        input:
            checkpoint=checkpoint_of,
            source=base_of,
        wildcard_constraints:
            run=keys(PARAMS.upsampled_runs),
        params:
            role="--base",
            triggers=triggers("sample", section_of_run),

else:

    scattergather:
        shards=PARAMS.execution.shards,

    rule sample_shard:
        input:
            checkpoint=checkpoint_of,
            source=classifier_of,
        output:
            temp(f"{SHARDS}/{{run}}/{{scatteritem}}.npz"),
        log:
            f"{LOGS}/sample/{{run}}/{{scatteritem}}.out",
        wildcard_constraints:
            run=keys(PARAMS.runs),
        threads: lambda w: scored(w).threads * PARAMS.resources.sample.processes
        resources:
            **resources_of("sample"),
        params:
            role="--classifier",
            triggers=triggers("sample", section_of_run),
        shell:
            logged(f"python -m adm sample {SAMPLED} --shard {{wildcards.scatteritem}} --out {{output}}")

    use rule sample_shard as upsample_shard with:
        input:
            checkpoint=checkpoint_of,
            source=base_of,
        wildcard_constraints:
            run=keys(PARAMS.upsampled_runs),
        params:
            role="--base",
            triggers=triggers("sample", section_of_run),

    rule sample:
        input:
            checkpoint=checkpoint_of,
            source=classifier_of,
            shards=gather.shards(f"{SHARDS}/{{{{run}}}}/{{scatteritem}}.npz"),
        output:
            directory(f"{SAMPLES}/{{run}}"),
        log:
            f"{LOGS}/gather/{{run}}.out",
        wildcard_constraints:
            run=keys(PARAMS.runs),
        resources:
            **resources_of("others"),
        params:
            role="--classifier",
            gathering=code_digest("gather"),
            triggers=triggers("sample", section_of_run),
        shell:
            logged(f"python -m adm gather {SAMPLED} --out {{output}} {{input.shards}}")

    use rule sample as upsample with:
        input:
            checkpoint=checkpoint_of,
            source=base_of,
            shards=gather.shards(f"{SHARDS}/{{{{run}}}}/{{scatteritem}}.npz"),
        wildcard_constraints:
            run=keys(PARAMS.upsampled_runs),
        params:
            role="--base",
            gathering=code_digest("gather"),
            triggers=triggers("sample", section_of_run),


rule sample_gan:
    input:
        gan=lambda w: f"{GANS}/{scored(w).gan}",
    output:
        directory(f"{SAMPLES}/{{run}}"),
    log:
        f"{LOGS}/sample_gan/{{run}}.out",
    wildcard_constraints:
        run=keys(PARAMS.gan_runs),
    threads: lambda w: scored(w).threads
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("sample_gan", "gan_runs.{run}"),
    shell:
        logged(f"python -m adm sample-gan --params {FILE} --run {{wildcards.run}} --gan {{input.gan}} --out {{output}}")
