"""TensorFlow's import, late and without messages."""

import os
from types import ModuleType


def load_tensorflow() -> ModuleType:
    """Import TensorFlow without its start-up messages.

    The import takes seconds, so only code that runs or writes a graph calls this. TensorFlow's C++ code reads its
    settings once, at import; settings of the user are kept. oneDNN's kernels are off: the order of their sums depends
    on the processor, and they are only about 15 % faster.

    Returns:
        The `tensorflow` module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow  # noqa: PLC0415

    module: ModuleType = tensorflow
    return module
