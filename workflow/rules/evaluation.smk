# Features of samples and of real images, reference batches, the metrics of each run, and the studies behind figures.


rule features:
    input:
        inputs("features"),
    output:
        outputs("features"),
    log:
        log_of("features"),
    wildcard_constraints:
        key=keys("features"),
    threads: threads_of("features")
    resources:
        **resources_of("features"),
    params:
        triggers=triggers("features"),
    shell:
        command("features")


rule dataset_features:
    input:
        inputs("dataset_features"),
    output:
        outputs("dataset_features"),
    log:
        log_of("dataset_features"),
    wildcard_constraints:
        key=keys("dataset_features"),
    threads: threads_of("dataset_features")
    resources:
        **resources_of("dataset_features"),
    params:
        triggers=triggers("dataset_features"),
    shell:
        command("dataset_features")


rule reference_features:
    input:
        inputs("reference_features"),
    output:
        outputs("reference_features"),
    log:
        log_of("reference_features"),
    wildcard_constraints:
        key=keys("reference_features"),
    threads: threads_of("reference_features")
    resources:
        **resources_of("reference_features"),
    params:
        triggers=triggers("reference_features"),
    shell:
        command("reference_features")


rule reference:
    input:
        inputs("reference"),
    output:
        outputs("reference"),
    log:
        log_of("reference"),
    wildcard_constraints:
        key=keys("reference"),
    threads: threads_of("reference")
    resources:
        **resources_of("reference"),
    params:
        triggers=triggers("reference"),
    shell:
        command("reference")


rule evaluate:
    input:
        inputs("evaluate"),
    output:
        outputs("evaluate"),
    log:
        log_of("evaluate"),
    wildcard_constraints:
        key=keys("evaluate"),
    threads: threads_of("evaluate")
    resources:
        **resources_of("evaluate"),
    params:
        triggers=triggers("evaluate"),
    shell:
        command("evaluate")


rule curve:
    input:
        inputs("curve"),
    output:
        outputs("curve"),
    log:
        log_of("curve"),
    wildcard_constraints:
        key=keys("curve"),
    threads: threads_of("curve")
    resources:
        **resources_of("curve"),
    params:
        triggers=triggers("curve"),
    shell:
        command("curve")


rule judge:
    input:
        inputs("judge"),
    output:
        outputs("judge"),
    log:
        log_of("judge"),
    wildcard_constraints:
        key=keys("judge"),
    threads: threads_of("judge")
    resources:
        **resources_of("judge"),
    params:
        triggers=triggers("judge"),
    shell:
        command("judge")


rule interpolate:
    input:
        inputs("interpolate"),
    output:
        outputs("interpolate"),
    log:
        log_of("interpolate"),
    wildcard_constraints:
        key=keys("interpolate"),
    threads: threads_of("interpolate")
    resources:
        **resources_of("interpolate"),
    params:
        triggers=triggers("interpolate"),
    shell:
        command("interpolate")


rule neighbours:
    input:
        inputs("neighbours"),
    output:
        outputs("neighbours"),
    log:
        log_of("neighbours"),
    wildcard_constraints:
        key=keys("neighbours"),
    threads: threads_of("neighbours")
    resources:
        **resources_of("neighbours"),
    params:
        triggers=triggers("neighbours"),
    shell:
        command("neighbours")


rule vary:
    input:
        inputs("vary"),
    output:
        outputs("vary"),
    log:
        log_of("vary"),
    wildcard_constraints:
        key=keys("vary"),
    threads: threads_of("vary")
    resources:
        **resources_of("vary"),
    params:
        triggers=triggers("vary"),
    shell:
        command("vary")


rule likelihood:
    input:
        inputs("likelihood"),
    output:
        outputs("likelihood"),
    log:
        log_of("likelihood"),
    wildcard_constraints:
        key=keys("likelihood"),
    threads: threads_of("likelihood")
    resources:
        **resources_of("likelihood"),
    params:
        triggers=triggers("likelihood"),
    shell:
        command("likelihood")


rule schedule:
    input:
        inputs("schedule"),
    output:
        outputs("schedule"),
    log:
        log_of("schedule"),
    wildcard_constraints:
        key=keys("schedule"),
    threads: threads_of("schedule")
    resources:
        **resources_of("schedule"),
    params:
        triggers=triggers("schedule"),
    shell:
        command("schedule")
