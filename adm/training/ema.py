"""The rate of the weights' moving average."""


def warmed_up(rate: float, step: int) -> float:
    """The rate of an update, lower at the start of training: a short average soon forgets the untrained weights.

    Args:
        rate: The final rate, in [0, 1); it is reached after about 9 / (1 - rate) updates.
        step: The number of updates made before.

    Returns:
        min(rate, (1 + step) / (10 + step)).

    Source: `num_updates` of TensorFlow's `tf.train.ExponentialMovingAverage`; Karras et al. (2022) also ramp it up.
    """
    return min(rate, (1 + step) / (10 + step))
