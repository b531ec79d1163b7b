# The tables, figures and claims of the appendix, and the user's own; and all of them on one page.

CAPTION = "../caption.rst"


rule table:
    input:
        inputs("table"),
    output:
        outputs("table", shown=".html", category="Tables", caption=CAPTION, labels={"table": "{key}"}),
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
        outputs("figure", shown=".png", category="Figures", caption=CAPTION, labels={"figure": "{key}"}),
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
        outputs("claims", shown=".html", category="Claims", labels={"claims": "{key}"}),
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


rule report:
    input:
        inputs("report"),
    output:
        outputs("report"),
    log:
        log_of("report"),
    resources:
        **resources_of("report"),
    params:
        triggers=triggers("report"),
    shell:
        command("report")
