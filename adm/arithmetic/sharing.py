"""How several processes share the batches that a model is trained on."""


def parts_of(batch: int, accumulation: int, processes: int) -> int:
    """The micro-batches of a batch, of which each process computes as many: `accumulation`, or one a process if more.

    Raises:
        ValueError: The processes cannot share a batch evenly.
    """
    parts = max(accumulation, processes)
    if batch % parts or parts % accumulation or parts % processes:
        raise ValueError(
            f"batch_size {batch} in {accumulation} micro-batches cannot be shared evenly by {processes} processes; one "
            "of accumulation and processes must be a multiple of the other, and divide batch_size"
        )
    return parts


def check_shared(batch: int, accumulation: int, dropout: float, processes: int) -> None:
    """Refuse a number of processes that cannot share a model's batches, or whose losses would not follow those of one.

    Raises:
        ValueError: Names what does not fit.
    """
    parts_of(batch, accumulation, processes)
    # The masks of a micro-batch are drawn as a whole: smaller ones have others.
    if dropout and accumulation % processes:
        raise ValueError(
            f"accumulation {accumulation} is no multiple of {processes} processes, though dropout {dropout} draws its "
            f"masks for whole micro-batches; raise accumulation to a multiple of {processes}"
        )
