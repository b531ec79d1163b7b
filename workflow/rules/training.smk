# Checkpoints: a model's initial one, then a chain of segments, each with its own artifact. The chains are the longest
# paths through the DAG, so training jobs have priority.


rule init:
    output:
        outputs("init"),
    log:
        log_of("init"),
    wildcard_constraints:
        key=keys("init"),
    priority: 2
    resources:
        **resources_of("init"),
    params:
        triggers=triggers("init"),
    shell:
        command("init")


rule train:
    input:
        inputs("train"),
    output:
        outputs("train"),
    log:
        log_of("train"),
    wildcard_constraints:
        key=keys("train"),
    priority: 1
    threads: threads_of("train")
    resources:
        **resources_of("train"),
    params:
        triggers=triggers("train"),
    shell:
        command("train")


rule train_gan:
    input:
        inputs("train_gan"),
    output:
        outputs("train_gan"),
    log:
        log_of("train_gan"),
    wildcard_constraints:
        key=keys("train_gan"),
    threads: threads_of("train_gan")
    resources:
        **resources_of("train_gan"),
    params:
        triggers=triggers("train_gan"),
    shell:
        command("train_gan")


# The cost of training: in theory, and measured on this machine.


rule sizes:
    output:
        outputs("sizes"),
    log:
        log_of("sizes"),
    resources:
        **resources_of("sizes"),
    params:
        triggers=triggers("sizes"),
    shell:
        command("sizes")


rule throughput:
    output:
        outputs("throughput"),
    log:
        log_of("throughput"),
    wildcard_constraints:
        key=keys("throughput"),
    threads: threads_of("throughput")
    resources:
        **resources_of("throughput"),
    params:
        triggers=triggers("throughput"),
    shell:
        command("throughput")
