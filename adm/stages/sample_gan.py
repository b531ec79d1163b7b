"""`sample_gan`: a run's batch of samples from a GAN, with truncation."""

from pathlib import Path

from adm.artifacts.class_names import names_for_run
from adm.artifacts.manifest import MadeBy, read_manifest
from adm.determinism import make_deterministic
from adm.nets.gan import WEIGHTS, Generator
from adm.nets.weights import read_tensors
from adm.params.data import DatasetParams
from adm.params.models import GanParams
from adm.params.runs import GanRunParams
from adm.progress import progress
from adm.sampling.batch import write_blocks
from adm.sampling.truncation import sample_blocks


def run(
    run: GanRunParams, gan: GanParams, dataset: DatasetParams, inputs: dict[str, Path], out: Path, made_by: MadeBy
) -> None:
    """Sample a run into a folder; `inputs` is "gan", the generator.

    Raises:
        UserError: The artifact holds no generator.
    """
    make_deterministic(run.threads)
    read_manifest(inputs["gan"])
    network = Generator(gan, dataset.side, dataset.num_classes, dataset.channels)
    network.load_state_dict(read_tensors(inputs["gan"] / WEIGHTS, network.state_dict()))
    network.eval().requires_grad_(False)
    classes = run.classes or range(dataset.num_classes)
    blocks = progress(sample_blocks(run, network, classes), len(run.blocks), "block")
    write_blocks(out, made_by, run.num_samples, blocks, names_for_run(inputs))
