"""The rate of the weights' moving average."""


def warmed_up(rate: float, step: int) -> float:
    """The rate of an update while few updates are made: a short average soon forgets the untrained weights.

    Args:
        rate: In [0, 1), which is reached after about 9 / (1 - rate) updates.
        step: How many updates were made before.

    Returns:
        min(rate, (1 + step) / (10 + step)).

    Source: `num_updates` of TensorFlow's `tf.train.ExponentialMovingAverage`; Karras et al. (2022) ramp up theirs, too.
    """
    return min(rate, (1 + step) / (10 + step))
