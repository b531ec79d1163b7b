"""`sizes`: the number of parameters and the forward FLOPs of every model, and FLOPs of training every GAN."""

from pathlib import Path

from adm.artifacts.manifest import MadeBy
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.nets.cost import network_cost
from adm.params.data import DatasetParams
from adm.params.models import GanParams, ModelParams
from adm.training.gan import training_flops


def run(
    models: dict[str, ModelParams],
    gans: dict[str, GanParams],
    datasets: dict[str, DatasetParams],
    out: Path,
    made_by: MadeBy,
) -> None:
    """Count the parameters and the FLOPs of each model, and the FLOPs of training each GAN, and write them by key."""
    sizes = {
        key: {"parameters": network_cost(model).parameters, "forward_flops": network_cost(model).flops}
        for key, model in models.items()
    }
    images = {key: datasets[gan.dataset] for key, gan in gans.items()}
    trained = {
        key: {"training_flops": training_flops(gans[key], of.side, of.num_classes, of.channels)}
        for key, of in images.items()
    }
    with new_file(out) as path:
        write_sealed_json(path, {"models": sizes, "gans": trained, "made_by": made_by})
