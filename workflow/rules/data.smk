# The written-out params file, published files, datasets, and feature graphs.


# DVC only compares files, so this rule writes a file for each job that changes when the job must run again.
rule resolve:
    output:
        outputs("resolve"),
    log:
        log_of("resolve"),
    resources:
        **resources_of("resolve"),
    params:
        triggers=PIPELINE.fingerprint,
    shell:
        command("resolve")


rule fetch:
    output:
        outputs("fetch"),
    log:
        log_of("fetch"),
    wildcard_constraints:
        key=keys("fetch"),
    resources:
        **resources_of("fetch"),
    params:
        triggers=triggers("fetch"),
    shell:
        command("fetch")


# A published file becomes an artifact like those that stages make.


rule adopt_checkpoints:
    input:
        inputs("adopt_checkpoints"),
    output:
        outputs("adopt_checkpoints"),
    log:
        log_of("adopt_checkpoints"),
    wildcard_constraints:
        key=keys("adopt_checkpoints"),
    resources:
        **resources_of("adopt_checkpoints"),
    params:
        triggers=triggers("adopt_checkpoints"),
    shell:
        command("adopt_checkpoints")


rule adopt_samples:
    input:
        inputs("adopt_samples"),
    output:
        outputs("adopt_samples"),
    log:
        log_of("adopt_samples"),
    wildcard_constraints:
        key=keys("adopt_samples"),
    resources:
        **resources_of("adopt_samples"),
    params:
        triggers=triggers("adopt_samples"),
    shell:
        command("adopt_samples")


rule adopt_references:
    input:
        inputs("adopt_references"),
    output:
        outputs("adopt_references"),
    log:
        log_of("adopt_references"),
    wildcard_constraints:
        key=keys("adopt_references"),
    resources:
        **resources_of("adopt_references"),
    params:
        triggers=triggers("adopt_references"),
    shell:
        command("adopt_references")


rule adopt_graphs:
    input:
        inputs("adopt_graphs"),
    output:
        outputs("adopt_graphs"),
    log:
        log_of("adopt_graphs"),
    wildcard_constraints:
        key=keys("adopt_graphs"),
    resources:
        **resources_of("adopt_graphs"),
    params:
        triggers=triggers("adopt_graphs"),
    shell:
        command("adopt_graphs")


# All training waits for it.
rule prepare:
    output:
        outputs("prepare"),
    log:
        log_of("prepare"),
    wildcard_constraints:
        key=keys("prepare"),
    priority: 2
    resources:
        **resources_of("prepare"),
    params:
        triggers=triggers("prepare"),
    shell:
        command("prepare")


rule extractor:
    input:
        inputs("extractor"),
    output:
        outputs("extractor"),
    log:
        log_of("extractor"),
    wildcard_constraints:
        key=keys("extractor"),
    threads: threads_of("extractor")
    resources:
        **resources_of("extractor"),
    params:
        triggers=triggers("extractor"),
    shell:
        command("extractor")
