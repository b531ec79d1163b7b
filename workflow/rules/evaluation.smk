# Features of samples and of real images, reference batches, and the metrics of each run.


def reference_dataset(wildcards):
    return f"{DATA}/{PARAMS.references[wildcards.reference].dataset}"


def reference_extractor(wildcards):
    return PARAMS.references[wildcards.reference].extractor


rule features:
    input:
        code=code("features"),
        images=f"{SAMPLES}/{{run}}",
        graph=lambda w: f"{EXTRACTORS}/{PARAMS.runs[w.run].extractor}",
    output:
        directory(f"{FEATURES}/{{run}}"),
    params:
        extractor=lambda w: PARAMS.runs[w.run].extractor,
        triggers=triggers("features", lambda w: f"extractors.{PARAMS.runs[w.run].extractor}"),
    threads: lambda w: PARAMS.extractors[PARAMS.runs[w.run].extractor].threads
    log:
        f"{LOGS}/features/{{run}}.txt",
    shell:
        logged(
            f"python -m adm features --params {FILE} --extractor {{params.extractor}} "
            "--images {input.images} --graph {input.graph} --out {output}"
        )


rule dataset_features:
    input:
        code=code("features"),
        images=reference_dataset,
        graph=lambda w: f"{EXTRACTORS}/{reference_extractor(w)}",
    output:
        directory(f"{REFERENCES}/{{reference}}/dataset_features"),
    params:
        extractor=reference_extractor,
        triggers=triggers("features", lambda w: f"extractors.{reference_extractor(w)}"),
    threads: lambda w: PARAMS.extractors[reference_extractor(w)].threads
    log:
        f"{LOGS}/dataset_features/{{reference}}.txt",
    shell:
        logged(
            f"python -m adm features --params {FILE} --extractor {{params.extractor}} "
            "--images {input.images} --graph {input.graph} --out {output}"
        )


rule reference:
    input:
        code=code("reference"),
        features=f"{REFERENCES}/{{reference}}/dataset_features",
        data=reference_dataset,
    output:
        directory(f"{REFERENCES}/{{reference}}/batch"),
    params:
        triggers=triggers("reference", "references.{reference}"),
    threads: lambda w: PARAMS.references[w.reference].threads
    log:
        f"{LOGS}/reference/{{reference}}.txt",
    shell:
        logged(
            f"python -m adm reference --params {FILE} --reference {{wildcards.reference}} "
            "--features {input.features} --data {input.data} --out {output}"
        )


rule reference_features:
    input:
        code=code("features"),
        images=f"{REFERENCES}/{{reference}}/batch",
        graph=lambda w: f"{EXTRACTORS}/{reference_extractor(w)}",
    output:
        directory(f"{REFERENCES}/{{reference}}/features"),
    params:
        extractor=reference_extractor,
        triggers=triggers("features", lambda w: f"extractors.{reference_extractor(w)}"),
    threads: lambda w: PARAMS.extractors[reference_extractor(w)].threads
    log:
        f"{LOGS}/reference_features/{{reference}}.txt",
    shell:
        logged(
            f"python -m adm features --params {FILE} --extractor {{params.extractor}} "
            "--images {input.images} --graph {input.graph} --out {output}"
        )


rule evaluate:
    input:
        code=code("evaluate"),
        features=f"{FEATURES}/{{run}}",
        reference=lambda w: f"{REFERENCES}/{PARAMS.runs[w.run].reference}/batch",
        reference_features=lambda w: f"{REFERENCES}/{PARAMS.runs[w.run].reference}/features",
    output:
        f"{METRICS}/{{sweep}}/{{run}}.json",
    params:
        triggers=triggers("evaluate", "runs.{run}"),
    threads: lambda w: PARAMS.runs[w.run].threads
    log:
        f"{LOGS}/evaluate/{{sweep}}/{{run}}.txt",
    shell:
        logged(
            f"python -m adm evaluate --params {FILE} --run {{wildcards.run}} --features {{input.features}} "
            "--reference {input.reference} --reference-features {input.reference_features} --out {output}"
        )
