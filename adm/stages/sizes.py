"""`sizes`: the number of parameters and the forward FLOPs of every model."""

from pathlib import Path

from adm.artifacts.manifest import MadeBy
from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_file
from adm.nets.cost import network_cost
from adm.params.models import ModelParams


def run(models: dict[str, ModelParams], out: Path, made_by: MadeBy) -> None:
    """Count the parameters and the FLOPs of each model, by its key, and write them."""
    sizes = {
        key: {"parameters": network_cost(model).parameters, "forward_flops": network_cost(model).flops}
        for key, model in models.items()
    }
    with new_file(out) as path:
        write_sealed_json(path, {"models": sizes, "made_by": made_by})
