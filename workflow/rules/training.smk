# Checkpoints: a model's initial one, then a chain of segments, each an artifact of its own. The chain is the longest way
# through the DAG, so what can train goes first.


rule init:
    output:
        directory(f"{CHECKPOINTS}/{{model}}-0"),
    log:
        f"{LOGS}/init/{{model}}.txt",
    priority: 2
    params:
        triggers=triggers("init", "models.{model}"),
    shell:
        logged(f"python -m adm init --params {FILE} --model {{wildcards.model}} --out {{output}}")


rule train:
    input:
        data=lambda w: f"{DATA}/{PARAMS.segments[w.segment].dataset}",
        previous=lambda w: f"{CHECKPOINTS}/{PARAMS.segments[w.segment].previous}",
    output:
        directory(f"{CHECKPOINTS}/{{segment}}"),
    log:
        f"{LOGS}/train/{{segment}}.txt",
    priority: 1
    threads: lambda w: training_of(w).threads
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
            "--data {input.data} --previous {input.previous} --out {output} "
            f"--work {WORK}/{{wildcards.segment}} --log {LOGS}/train/{{wildcards.segment}}.csv"
        )
