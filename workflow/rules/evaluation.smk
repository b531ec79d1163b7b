# Features of samples and of real images, reference batches, the metrics of each run, and the studies behind figures.


rule features:
    input:
        images=f"{SAMPLES}/{{run}}",
        graph=extractor_folder,
    output:
        directory(f"{FEATURES}/{{run}}"),
    log:
        f"{LOGS}/features/{{run}}.out",
    threads: lambda w: PARAMS.graphs[extractor_of(w)].threads * PARAMS.resources.features.processes
    resources:
        **resources_of("features"),
    params:
        extractor=extractor_of,
        # How features are computed is in the graph's manifest, so that its section need not stand here.
        triggers=triggers("features"),
    shell:
        logged(
            f"python -m adm features --params {FILE} --extractor {{params.extractor}} "
            "--images {input.images} --graph {input.graph} --out {output}"
        )


use rule features as dataset_features with:
    input:
        images=dataset_of,
        graph=extractor_folder,
    output:
        directory(f"{REFERENCES}/{{reference}}/dataset_features"),
    log:
        f"{LOGS}/features/{{reference}}/dataset_features.out",


rule reference:
    input:
        features=f"{REFERENCES}/{{reference}}/dataset_features",
        data=dataset_of,
    output:
        directory(f"{REFERENCES}/{{reference}}/batch"),
    log:
        f"{LOGS}/reference/{{reference}}.out",
    wildcard_constraints:
        reference=keys(PARAMS.references),
    threads: lambda w: PARAMS.references[w.reference].threads
    resources:
        **resources_of("others"),
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
        graph=extractor_folder,
    output:
        directory(f"{REFERENCES}/{{reference}}/features"),
    log:
        f"{LOGS}/features/{{reference}}/features.out",


rule evaluate:
    input:
        samples=f"{SAMPLES}/{{run}}",
        features=f"{FEATURES}/{{run}}",
        reference=lambda w: f"{REFERENCES}/{scored(w).reference}/batch",
        reference_features=lambda w: f"{REFERENCES}/{scored(w).reference}/features",
    output:
        f"{METRICS}/{{run}}.json",
    log:
        f"{LOGS}/evaluate/{{run}}.out",
    threads: lambda w: scored(w).threads
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("evaluate", section_of_run),
    shell:
        logged(
            f"python -m adm evaluate --params {FILE} --run {{wildcards.run}} --samples {{input.samples}} "
            "--features {input.features} --reference {input.reference} "
            "--reference-features {input.reference_features} --out {output}"
        )


rule interpolate:
    input:
        checkpoint=lambda w: f"{CHECKPOINTS}/{PARAMS.studies[w.study].checkpoint}",
        classifier=lambda w: f"{CHECKPOINTS}/{PARAMS.studies[w.study].classifier}",
        data=lambda w: f"{DATA}/{PARAMS.studies[w.study].dataset}",
    output:
        directory(f"{STUDIES}/{{study}}"),
    log:
        f"{LOGS}/interpolate/{{study}}.out",
    wildcard_constraints:
        study=keys(PARAMS.interpolations),
    threads: lambda w: PARAMS.studies[w.study].threads
    resources:
        **resources_of("sample", processes=1),
    params:
        triggers=triggers("interpolate", "interpolations.{study}"),
    shell:
        logged(
            f"python -m adm interpolate --params {FILE} --study {{wildcards.study}} --checkpoint {{input.checkpoint}} "
            "--classifier {input.classifier} --data {input.data} --out {output}"
        )


rule neighbours:
    input:
        samples=lambda w: f"{SAMPLES}/{PARAMS.studies[w.study].run}",
        features=lambda w: f"{FEATURES}/{PARAMS.studies[w.study].run}",
        data=lambda w: f"{DATA}/{PARAMS.studies[w.study].dataset}",
        dataset_features=lambda w: f"{REFERENCES}/{PARAMS.studies[w.study].reference}/dataset_features",
    output:
        directory(f"{STUDIES}/{{study}}"),
    log:
        f"{LOGS}/neighbours/{{study}}.out",
    wildcard_constraints:
        study=keys(PARAMS.neighbours),
    threads: lambda w: PARAMS.studies[w.study].threads
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("neighbours", "neighbours.{study}"),
    shell:
        logged(
            f"python -m adm neighbours --params {FILE} --study {{wildcards.study}} --samples {{input.samples}} "
            "--features {input.features} --data {input.data} --dataset-features {input.dataset_features} "
            "--out {output}"
        )


rule vary:
    input:
        checkpoint=lambda w: f"{CHECKPOINTS}/{PARAMS.studies[w.study].checkpoint}",
        classifier=lambda w: f"{CHECKPOINTS}/{PARAMS.studies[w.study].classifier}",
    output:
        directory(f"{STUDIES}/{{study}}"),
    log:
        f"{LOGS}/vary/{{study}}.out",
    wildcard_constraints:
        study=keys(PARAMS.variations),
    threads: lambda w: PARAMS.studies[w.study].threads
    resources:
        **resources_of("sample", processes=1),
    params:
        triggers=triggers("vary", "variations.{study}", lambda w: f"runs.{PARAMS.studies[w.study].run}"),
    shell:
        logged(
            f"python -m adm vary --params {FILE} --study {{wildcards.study}} --checkpoint {{input.checkpoint}} "
            "--classifier {input.classifier} --out {output}"
        )


rule likelihood:
    input:
        checkpoint=lambda w: f"{CHECKPOINTS}/{PARAMS.studies[w.study].checkpoint}",
        data=lambda w: f"{DATA}/{PARAMS.studies[w.study].dataset}",
    output:
        directory(f"{STUDIES}/{{study}}"),
    log:
        f"{LOGS}/likelihood/{{study}}.out",
    wildcard_constraints:
        study=keys(PARAMS.likelihoods),
    threads: lambda w: PARAMS.studies[w.study].threads
    resources:
        **resources_of("sample", processes=1),
    params:
        triggers=triggers("likelihood", "likelihoods.{study}"),
    shell:
        logged(
            f"python -m adm likelihood --params {FILE} --study {{wildcards.study}} --checkpoint {{input.checkpoint}} "
            "--data {input.data} --out {output}"
        )
