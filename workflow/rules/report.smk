# The tables and figures of the paper.


def metrics_of(shown):
    """The metrics of a table's or curve's runs."""
    return expand(f"{METRICS}/{shown.sweep}/{{run}}.json", run=shown.rows)


rule table_8:
    input:
        metrics_of(PARAMS.tables.table_8),
        code=code("table"),
    output:
        tables("table_8"),
    params:
        triggers=triggers("table", "tables.table_8"),
    log:
        f"{LOGS}/table_8.txt",
    shell:
        logged(
            f"python -m adm table --params {FILE} --table table_8 "
            f"--source {METRICS}/{PARAMS.tables.table_8.sweep} --out {TABLES}/table_8"
        )


rule figure_6:
    input:
        metrics_of(PARAMS.figures.figure_6),
        code=code("figure"),
    output:
        report(figures("figure_6"), category="Guidance"),
    params:
        triggers=triggers("figure", "figures.figure_6"),
    log:
        f"{LOGS}/figure_6.txt",
    shell:
        logged(
            f"python -m adm figure --params {FILE} --figure figure_6 "
            f"--source {METRICS}/{PARAMS.figures.figure_6.sweep} --out {FIGURES}/figure_6"
        )


rule figure_21:
    input:
        samples=f"{SAMPLES}/{PARAMS.figures.figure_21.run}",
        code=code("figure"),
    output:
        report(figures("figure_21"), category="Samples"),
    params:
        triggers=triggers("figure", "figures.figure_21"),
    log:
        f"{LOGS}/figure_21.txt",
    shell:
        logged(
            f"python -m adm figure --params {FILE} --figure figure_21 "
            f"--source {SAMPLES}/{PARAMS.figures.figure_21.run} --out {FIGURES}/figure_21"
        )
