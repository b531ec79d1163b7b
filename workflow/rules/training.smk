# Checkpoints: a model's initial one, then a chain of segments, each an artifact of its own. The chains are the longest
# way through the DAG, so what can train goes first.


rule init:
    output:
        directory(f"{CHECKPOINTS}/{{model}}-0"),
    log:
        f"{LOGS}/init/{{model}}.out",
    priority: 2
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("init", "models.{model}"),
    shell:
        logged(f"python -m adm init --params {FILE} --model {{wildcards.model}} --out {{output}}")


rule train:
    input:
        data=lambda w: f"{DATA}/{PARAMS.segments[w.segment].dataset}",
        previous=lambda w: f"{CHECKPOINTS}/{PARAMS.segments[w.segment].previous}",
    output:
        checkpoint=directory(f"{CHECKPOINTS}/{{segment}}"),
        log=f"{TRAINING}/{{segment}}.csv",
    log:
        f"{LOGS}/train/{{segment}}.out",
    priority: 1
    threads: lambda w: training_of(w).threads * PARAMS.resources.train.processes
    resources:
        **resources_of("train"),
    params:
        triggers=triggers(
            "train",
            "segments.{segment}",
            lambda w: f"models.{PARAMS.segments[w.segment].model}",
            lambda w: f"datasets.{PARAMS.segments[w.segment].dataset}",
        ),
    shell:
        logged(
            f"python -m adm train --params {FILE} --segment {{wildcards.segment}} "
            "--data {input.data} --previous {input.previous} --out {output.checkpoint} "
            f"--work {WORK}/{{wildcards.segment}} --log {{output.log}}"
        )


rule train_gan:
    input:
        data=lambda w: f"{DATA}/{PARAMS.gans[w.gan].dataset}",
    output:
        directory(f"{GANS}/{{gan}}"),
    log:
        f"{LOGS}/train_gan/{{gan}}.out",
    threads: lambda w: PARAMS.gans[w.gan].threads
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("train_gan", "gans.{gan}", lambda w: f"datasets.{PARAMS.gans[w.gan].dataset}"),
    shell:
        logged(
            f"python -m adm train-gan --params {FILE} --gan {{wildcards.gan}} --data {{input.data}} --out {{output}}"
        )


# What training costs: in theory, and on the machine at hand.


rule sizes:
    output:
        SIZES,
    log:
        f"{LOGS}/sizes.out",
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("sizes", "models"),
    shell:
        logged(f"python -m adm sizes --params {FILE} --out {{output}}")


rule throughput:
    output:
        f"{THROUGHPUT}/{{throughput}}.json",
    log:
        f"{LOGS}/throughput/{{throughput}}.out",
    threads: lambda w: PARAMS.throughput[w.throughput].threads
    resources:
        **resources_of("others"),
    params:
        triggers=triggers(
            "throughput",
            "throughput.{throughput}",
            lambda w: f"models.{PARAMS.throughput[w.throughput].model}",
        ),
    shell:
        logged(f"python -m adm throughput --params {FILE} --key {{wildcards.throughput}} --out {{output}}")
