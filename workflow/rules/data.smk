# The code's digests, the datasets, and the extractor that features come from.


# DVC compares files alone, so it finds the code's digests in these.
rule check:
    output:
        expand(f"{CODE}/{{verb}}.txt", verb=verbs()),
    log:
        f"{LOGS}/check.txt",
    params:
        triggers={verb: code_digest(verb) for verb in verbs()},
    shell:
        logged(f"python -m adm check --params {FILE} --out {CODE}")


rule prepare:
    output:
        directory(f"{DATA}/{{dataset}}"),
    log:
        f"{LOGS}/prepare/{{dataset}}.txt",
    # All training waits for it.
    priority: 2
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
        f"{LOGS}/extractor/{{extractor}}.txt",
    threads: lambda w: PARAMS.extractors[w.extractor].threads
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
