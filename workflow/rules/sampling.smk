# Samples of diffusion models, of stacks that upsample them, and of GANs. With more than one of `shards`, a run is cut
# into parts that can run in parallel; gathering them gives the same bytes as sampling in one process.


if PIPELINE.shards == 1:

    rule sample:
        input:
            inputs("sample"),
        output:
            outputs("sample"),
        log:
            log_of("sample"),
        wildcard_constraints:
            key=keys("sample"),
        threads: threads_of("sample")
        resources:
            **resources_of("sample"),
        params:
            triggers=triggers("sample"),
        shell:
            command("sample")

else:

    rule sample_shard:
        input:
            inputs("sample_shard"),
        output:
            temp(outputs("sample_shard")),
        log:
            log_of("sample_shard"),
        wildcard_constraints:
            key=keys("sample_shard"),
            shard="[0-9]+-of-[0-9]+",
        threads: threads_of("sample_shard")
        resources:
            **resources_of("sample_shard"),
        params:
            triggers=triggers("sample_shard"),
        shell:
            command("sample_shard")

    rule gather:
        input:
            inputs("gather"),
        output:
            outputs("gather"),
        log:
            log_of("gather"),
        wildcard_constraints:
            key=keys("gather"),
        resources:
            **resources_of("gather"),
        params:
            triggers=triggers("gather"),
        shell:
            command("gather")


rule sample_gan:
    input:
        inputs("sample_gan"),
    output:
        outputs("sample_gan"),
    log:
        log_of("sample_gan"),
    wildcard_constraints:
        key=keys("sample_gan"),
    threads: threads_of("sample_gan")
    resources:
        **resources_of("sample_gan"),
    params:
        triggers=triggers("sample_gan"),
    shell:
        command("sample_gan")
