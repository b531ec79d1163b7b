# The tables, figures and claims of the appendix, and the user's own.


rule table:
    input:
        inputs("table"),
    output:
        outputs("table"),
    log:
        log_of("table"),
    wildcard_constraints:
        key=keys("table"),
    resources:
        **resources_of("table"),
    params:
        triggers=triggers("table"),
    shell:
        command("table")


rule figure:
    input:
        inputs("figure"),
    output:
        report(outputs("figure"), category="Figures"),
    log:
        log_of("figure"),
    wildcard_constraints:
        key=keys("figure"),
    resources:
        **resources_of("figure"),
    params:
        triggers=triggers("figure"),
    shell:
        command("figure")


rule claims:
    input:
        inputs("claims"),
    output:
        outputs("claims"),
    log:
        log_of("claims"),
    wildcard_constraints:
        key=keys("claims"),
    resources:
        **resources_of("claims"),
    params:
        triggers=triggers("claims"),
    shell:
        command("claims")
