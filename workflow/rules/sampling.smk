# Samples: a run is cut into shards that go side by side, and gathered to the bytes that one process would write.
# `--set-scatter shards=8` cuts it finer; Snakemake then samples again what it had sampled in other shards.


scattergather:
    shards=2,


rule sample_shard:
    input:
        checkpoint=checkpoint_of,
        classifier=classifier_of,
    output:
        temp(f"{SHARDS}/{{run}}/{{scatteritem}}.npz"),
    log:
        f"{LOGS}/sample/{{run}}/{{scatteritem}}.txt",
    threads: lambda w: PARAMS.runs[w.run].threads
    params:
        triggers=triggers("sample", "runs.{run}"),
    shell:
        logged(
            f"python -m adm sample --params {FILE} --run {{wildcards.run}} "
            "--checkpoint {input.checkpoint} --classifier {input.classifier} "
            "--shard {wildcards.scatteritem} --out {output}"
        )


rule sample:
    input:
        checkpoint=checkpoint_of,
        classifier=classifier_of,
        shards=gather.shards(f"{SHARDS}/{{{{run}}}}/{{scatteritem}}.npz"),
    output:
        directory(f"{SAMPLES}/{{run}}"),
    log:
        f"{LOGS}/sample/{{run}}.txt",
    params:
        gathering=code_digest("gather"),
        triggers=triggers("sample", "runs.{run}"),
    shell:
        logged(
            f"python -m adm gather --params {FILE} --run {{wildcards.run}} "
            "--checkpoint {input.checkpoint} --classifier {input.classifier} --out {output} {input.shards}"
        )
