# The tables and figures of the paper.


rule table_8:
    input:
        metrics_of(PARAMS.tables.table_8),
    output:
        tables("table_8"),
    log:
        f"{LOGS}/table_8.txt",
    params:
        triggers=triggers("table", "tables.table_8"),
    shell:
        logged(
            f"python -m adm table --params {FILE} --table table_8 "
            f"--source {METRICS}/{PARAMS.tables.table_8.sweep} --out {TABLES}/table_8"
        )


rule figure_6:
    input:
        metrics_of(PARAMS.figures.figure_6),
    output:
        report(figures("figure_6"), category="Guidance"),
    log:
        f"{LOGS}/figure_6.txt",
    params:
        triggers=triggers("figure", "figures.figure_6"),
    shell:
        logged(
            f"python -m adm figure --params {FILE} --figure figure_6 "
            f"--source {METRICS}/{PARAMS.figures.figure_6.sweep} --out {FIGURES}/figure_6"
        )


rule figure_21:
    input:
        samples=f"{SAMPLES}/{PARAMS.figures.figure_21.run}",
    output:
        report(figures("figure_21"), category="Samples"),
    log:
        f"{LOGS}/figure_21.txt",
    params:
        triggers=triggers("figure", "figures.figure_21"),
    shell:
        logged(
            f"python -m adm figure --params {FILE} --figure figure_21 "
            f"--source {SAMPLES}/{PARAMS.figures.figure_21.run} --out {FIGURES}/figure_21"
        )
