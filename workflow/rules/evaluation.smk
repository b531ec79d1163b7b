# Features of samples and of real images, reference batches, and the metrics of each run.


rule features:
    input:
        images=f"{SAMPLES}/{{run}}",
        graph=lambda w: f"{EXTRACTORS}/{extractor_of(w)}",
    output:
        directory(f"{FEATURES}/{{run}}"),
    log:
        f"{LOGS}/features/{{run}}.txt",
    threads: lambda w: PARAMS.extractors[extractor_of(w)].threads
    params:
        extractor=extractor_of,
        triggers=triggers("features", lambda w: f"extractors.{extractor_of(w)}"),
    shell:
        logged(
            f"python -m adm features --params {FILE} --extractor {{params.extractor}} "
            "--images {input.images} --graph {input.graph} --out {output}"
        )


use rule features as dataset_features with:
    input:
        images=dataset_of,
        graph=lambda w: f"{EXTRACTORS}/{extractor_of(w)}",
    output:
        directory(f"{REFERENCES}/{{reference}}/dataset_features"),
    log:
        f"{LOGS}/dataset_features/{{reference}}.txt",


rule reference:
    input:
        features=f"{REFERENCES}/{{reference}}/dataset_features",
        data=dataset_of,
    output:
        directory(f"{REFERENCES}/{{reference}}/batch"),
    log:
        f"{LOGS}/reference/{{reference}}.txt",
    threads: lambda w: PARAMS.references[w.reference].threads
    params:
        triggers=triggers("reference", "references.{reference}"),
    shell:
        logged(
            f"python -m adm reference --params {FILE} --reference {{wildcards.reference}} "
            "--features {input.features} --data {input.data} --out {output}"
        )


use rule features as reference_features with:
    input:
        images=f"{REFERENCES}/{{reference}}/batch",
        graph=lambda w: f"{EXTRACTORS}/{extractor_of(w)}",
    output:
        directory(f"{REFERENCES}/{{reference}}/features"),
    log:
        f"{LOGS}/reference_features/{{reference}}.txt",


rule evaluate:
    input:
        features=f"{FEATURES}/{{run}}",
        reference=lambda w: f"{REFERENCES}/{PARAMS.runs[w.run].reference}/batch",
        reference_features=lambda w: f"{REFERENCES}/{PARAMS.runs[w.run].reference}/features",
    output:
        f"{METRICS}/{{sweep}}/{{run}}.json",
    log:
        f"{LOGS}/evaluate/{{sweep}}/{{run}}.txt",
    threads: lambda w: PARAMS.runs[w.run].threads
    params:
        triggers=triggers("evaluate", "runs.{run}"),
    shell:
        logged(
            f"python -m adm evaluate --params {FILE} --run {{wildcards.run}} --features {{input.features}} "
            "--reference {input.reference} --reference-features {input.reference_features} --out {output}"
        )
