"""TensorFlow, imported late and quietly."""

import os
from types import ModuleType


def load_tensorflow() -> ModuleType:
    """Import TensorFlow without its start-up chatter.

    The import takes seconds, so only what runs or writes a graph asks for it. Its C++ side reads the log
    level once, at the import; a level that the user has set is kept.

    Returns:
        The `tensorflow` module.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow  # noqa: PLC0415

    module: ModuleType = tensorflow
    return module
