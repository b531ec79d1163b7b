# Samples: a run is cut into shards that go side by side, and gathered to the bytes that one process would write.


scattergather:
    shards=2,


def checkpoint(wildcards):
    return f"{CHECKPOINTS}/{PARAMS.runs[wildcards.run].checkpoint}"


def classifier(wildcards):
    return f"{CHECKPOINTS}/{PARAMS.runs[wildcards.run].classifier}"


rule sample_shard:
    input:
        code=code("sample"),
        checkpoint=checkpoint,
        classifier=classifier,
    output:
        temp(f"{SHARDS}/{{run}}/{{scatteritem}}.npz"),
    params:
        triggers=triggers("sample", "runs.{run}"),
    threads: lambda w: PARAMS.runs[w.run].threads
    log:
        f"{LOGS}/sample/{{run}}/{{scatteritem}}.txt",
    shell:
        logged(
            f"python -m adm sample --params {FILE} --run {{wildcards.run}} "
            "--checkpoint {input.checkpoint} --classifier {input.classifier} "
            "--shard {wildcards.scatteritem} --out {output}"
        )


rule sample:
    input:
        code=code("sample"),
        checkpoint=checkpoint,
        classifier=classifier,
        shards=gather.shards(f"{SHARDS}/{{{{run}}}}/{{scatteritem}}.npz"),
    output:
        directory(f"{SAMPLES}/{{run}}"),
    params:
        triggers=triggers("sample", "runs.{run}"),
    log:
        f"{LOGS}/sample/{{run}}.txt",
    shell:
        logged(
            f"python -m adm gather --params {FILE} --run {{wildcards.run}} "
            "--checkpoint {input.checkpoint} --classifier {input.classifier} --out {output} {input.shards}"
        )
