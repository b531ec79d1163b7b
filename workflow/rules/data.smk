# The code's digests, the datasets, and the extractor that features come from.


rule check:
    input:
        FILE,
    output:
        expand(f"{CODE}/{{verb}}.txt", verb=verbs()),
    params:
        triggers={verb: code_digest(verb) for verb in verbs()},
    log:
        f"{LOGS}/check.txt",
    shell:
        logged(f"python -m adm check --params {FILE} --out {CODE}")


rule prepare:
    input:
        code=code("prepare"),
    output:
        directory(f"{DATA}/{{dataset}}"),
    params:
        triggers=triggers("prepare", "datasets.{dataset}"),
    log:
        f"{LOGS}/prepare/{{dataset}}.txt",
    shell:
        logged(f"python -m adm prepare --params {FILE} --dataset {{wildcards.dataset}} --out {{output}}")


rule extractor:
    input:
        code=code("extractor"),
        data=lambda w: f"{DATA}/{PARAMS.extractors[w.extractor].dataset}",
    output:
        directory(f"{EXTRACTORS}/{{extractor}}"),
    params:
        triggers=triggers(
            "extractor",
            "extractors.{extractor}",
            lambda w: f"datasets.{PARAMS.extractors[w.extractor].dataset}",
        ),
    threads: lambda w: PARAMS.extractors[w.extractor].threads
    log:
        f"{LOGS}/extractor/{{extractor}}.txt",
    shell:
        logged(
            f"python -m adm extractor --params {FILE} --extractor {{wildcards.extractor}} "
            "--data {input.data} --out {output}"
        )
