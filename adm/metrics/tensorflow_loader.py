"""TensorFlow, imported late and quietly."""

import os
from types import ModuleType


def load_tensorflow() -> ModuleType:
    """Import TensorFlow without its start-up chatter.

    The import takes seconds, so only what runs or writes a graph asks for it. Its C++ side reads its settings
    once, at the import; those that the user has set are kept. oneDNN's kernels are off: they choose the order
    of their sums by the processor at hand, and say so on every start, for some 15 % of speed.

    Returns:
        The `tensorflow` module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import tensorflow  # noqa: PLC0415

    module: ModuleType = tensorflow
    return module
