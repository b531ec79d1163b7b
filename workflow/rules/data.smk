# The code's digests, published files, the datasets, and the graphs that features come from.


# DVC compares files alone, so it finds the code's digests in these.
rule check:
    output:
        expand(f"{CODE}/{{verb}}.txt", verb=verbs()),
    log:
        f"{LOGS}/check.out",
    resources:
        **resources_of("others"),
    params:
        triggers={verb: code_digest(verb) for verb in verbs()},
    shell:
        logged(f"python -m adm check --params {FILE} --out {CODE}")


rule prepare:
    output:
        directory(f"{DATA}/{{dataset}}"),
    log:
        f"{LOGS}/prepare/{{dataset}}.out",
    # All training waits for it.
    priority: 2
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("prepare", "datasets.{dataset}"),
    shell:
        logged(f"python -m adm prepare --params {FILE} --dataset {{wildcards.dataset}} --out {{output}}")


rule extractor:
    input:
        data=lambda w: f"{DATA}/{PARAMS.extractors[w.extractor].dataset}",
    output:
        directory(f"{EXTRACTORS}/{{extractor}}"),
    log:
        f"{LOGS}/extractor/{{extractor}}.out",
    threads: lambda w: PARAMS.extractors[w.extractor].threads
    resources:
        **resources_of("others"),
    params:
        triggers=triggers(
            "extractor",
            "extractors.{extractor}",
            lambda w: f"datasets.{PARAMS.extractors[w.extractor].dataset}",
        ),
    shell:
        logged(
            f"python -m adm extractor --params {FILE} --extractor {{wildcards.extractor}} "
            "--data {input.data} --out {output}"
        )


rule fetch:
    output:
        directory(f"{DOWNLOADS}/{{kind}}/{{key}}"),
    log:
        f"{LOGS}/fetch/{{kind}}/{{key}}.out",
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("fetch", "published.{kind}.{key}"),
    shell:
        logged(
            f"python -m adm fetch --params {FILE} --kind {{wildcards.kind}} --key {{wildcards.key}} --out {{output}}"
        )


# A published file becomes the artifact that a stage would have made.


rule adopt_checkpoints:
    input:
        f"{DOWNLOADS}/checkpoints/{{key}}",
    output:
        directory(f"{CHECKPOINTS}/{{key}}"),
    log:
        f"{LOGS}/adopt/checkpoints/{{key}}.out",
    wildcard_constraints:
        key=keys(PARAMS.published.checkpoints),
    resources:
        **resources_of("others"),
    params:
        triggers=triggers(
            "adopt",
            "published.checkpoints.{key}",
            lambda w: f"models.{PARAMS.published.checkpoints[w.key].model}",
        ),
    shell:
        logged(
            f"python -m adm adopt --params {FILE} --kind checkpoints --key {{wildcards.key}} "
            "--source {input} --out {output}"
        )


rule adopt_samples:
    input:
        f"{DOWNLOADS}/samples/{{key}}",
    output:
        directory(f"{SAMPLES}/{{key}}"),
    log:
        f"{LOGS}/adopt/samples/{{key}}.out",
    wildcard_constraints:
        key=keys(PARAMS.published.samples),
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("adopt", "published.samples.{key}"),
    shell:
        logged(
            f"python -m adm adopt --params {FILE} --kind samples --key {{wildcards.key}} "
            "--source {input} --out {output}"
        )


rule adopt_references:
    input:
        f"{DOWNLOADS}/references/{{key}}",
    output:
        directory(f"{REFERENCES}/{{key}}/batch"),
    log:
        f"{LOGS}/adopt/references/{{key}}.out",
    wildcard_constraints:
        key=keys(PARAMS.published.references),
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("adopt", "published.references.{key}"),
    shell:
        logged(
            f"python -m adm adopt --params {FILE} --kind references --key {{wildcards.key}} "
            "--source {input} --out {output}"
        )


rule adopt_graphs:
    input:
        f"{DOWNLOADS}/graphs/{{key}}",
    output:
        directory(f"{EXTRACTORS}/{{key}}"),
    log:
        f"{LOGS}/adopt/graphs/{{key}}.out",
    wildcard_constraints:
        key=keys(PARAMS.published.graphs),
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("adopt", "published.graphs.{key}"),
    shell:
        logged(
            f"python -m adm adopt --params {FILE} --kind graphs --key {{wildcards.key}} "
            "--source {input} --out {output}"
        )
