# The tables, figures and claims of the appendix, and a figure beside them. Snakemake waits for exactly what each is made from; the flags name the
# folders where that lies, since DVC, which has no lists of inputs, depends on whole folders.

TABLE_FLAGS = {
    **dict.fromkeys(
        ["table_6", "table_8", "table_9", "table_15", "table_16", "appendix_k", "further"], f"--metrics {METRICS}"
    ),
    "table_7": f"--throughput {THROUGHPUT}",
    "table_10": f"--metrics {METRICS} --sizes {SIZES}",
    **dict.fromkeys(["table_11", "table_12", "table_13"], f"--sizes {SIZES}"),
    "table_14": "",
}
# What a table reads of the params file beside its own section and what its inputs have been made with.
TABLE_SECTIONS = {
    **dict.fromkeys(["table_11", "table_12", "table_13"], ["models", "segments", "published"]),
    "table_14": ["runs"],
}
FIGURE_FLAGS = {
    "ablations": f"--metrics {METRICS} --training {TRAINING}",
    "trade_offs": f"--metrics {METRICS}",
    "temperatures": f"--metrics {METRICS}",
    "neighbours": f"--samples {SAMPLES} --data {DATA} --studies {STUDIES}",
    "variations": f"--studies {STUDIES}",
    "interpolations": f"--studies {STUDIES}",
    "likelihoods": f"--studies {STUDIES}",
    "comparisons": f"--samples {SAMPLES}",
    "diversities": f"--samples {SAMPLES} --data {DATA}",
    "class_grids": f"--samples {SAMPLES}",
    "random_grids": f"--samples {SAMPLES}",
    "absent": "",
}


rule table:
    input:
        lambda w: files_of(needs_of_table(PARAMS, w.table)),
        lambda w: f"{PAPER}/{w.table}.csv" if w.table in PAPER_TABLES else [],
        f"{PAPER}/captions.yaml",
    output:
        multiext(f"{TABLES}/{{table}}", ".csv", ".md", ".tex"),
    log:
        f"{LOGS}/table/{{table}}.out",
    resources:
        **resources_of("others"),
    params:
        flags=lambda w: TABLE_FLAGS[w.table],
        triggers=table_triggers,
    shell:
        logged(
            f"python -m adm table --params {FILE} --table {{wildcards.table}} --paper {PAPER} {{params.flags}} "
            f"--out {TABLES}/{{wildcards.table}}"
        )


rule figure:
    input:
        lambda w: files_of(needs_of_figure(PARAMS, w.figure)),
        f"{PAPER}/captions.yaml",
    output:
        report(multiext(f"{FIGURES}/{{figure}}", ".png", ".pdf"), category="Figures"),
    log:
        f"{LOGS}/figure/{{figure}}.out",
    resources:
        **resources_of("others"),
    params:
        flags=lambda w: FIGURE_FLAGS[kind_of(w)],
        triggers=triggers("figure", lambda w: f"figures.{kind_of(w)}.{w.figure}"),
    shell:
        logged(
            f"python -m adm figure --params {FILE} --figure {{wildcards.figure}} --paper {PAPER} {{params.flags}} "
            f"--out {FIGURES}/{{wildcards.figure}}"
        )


rule claims:
    input:
        files_of(needs_of_claims(PARAMS)),
    output:
        multiext(CLAIMS, ".csv", ".md", ".tex", ".json"),
    log:
        f"{LOGS}/claims.out",
    resources:
        **resources_of("others"),
    params:
        triggers=triggers("claims", "claims", "models", "segments", "published"),
    shell:
        logged(
            f"python -m adm claims --params {FILE} --metrics {METRICS} --studies {STUDIES} "
            f"--throughput {THROUGHPUT} --sizes {SIZES} --out {CLAIMS}"
        )
