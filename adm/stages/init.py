"""`init`: the checkpoint of a model at iteration 0."""

from pathlib import Path

from adm.artifacts.class_names import fact_of, kept_names
from adm.artifacts.manifest import MadeBy, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.determinism import make_deterministic
from adm.nets.weights import initial, model_network, read_tensors, transferred
from adm.params.models import DiffusionModelParams, ModelParams
from adm.training.state import TrainingState
from adm.training.tasks import build_task


def run(
    model: ModelParams,
    out: Path,
    made_by: MadeBy,
    start: Path | None = None,
    start_model: DiffusionModelParams | None = None,
    keep_classes: bool = False,
) -> None:
    """Initialise a network, and write its checkpoint.

    Its seed of the weights draws them. With a `start`, a checkpoint of `start_model`, they are the averaged ones of
    that; of classes that are kept the names are, too.

    Raises:
        UserError: That checkpoint is missing, was changed, or is of another network.
    """
    make_deterministic(threads=1)
    with new_folder(out) as folder:
        if start is None or start_model is None:
            network = initial(model)
        else:
            read_manifest(start)
            source = read_tensors(start / "ema.safetensors", model_network(start_model).state_dict())
            network = model_network(model)
            network.load_state_dict(transferred(source, network.state_dict(), keep_classes), assign=True)
        TrainingState(network, build_task(model), model.training).save(folder)
        write_manifest(folder, made_by, {"step": 0, **fact_of(kept_names(start) if start and keep_classes else None)})
