"""The three seeds of a training: each moves what it is of and nothing else, and one number is all of them."""

import pytest
import torch
from making import make

from adm.parallel import CPU
from adm.stages import init
from adm.training.inputs import inputs
from adm.training.loop import train_step

SEEDS = {"weights": 1, "data": 2, "noise": 3}
KINDS = tuple(SEEDS)


@pytest.fixture
def seen(new_run, tiny_model, tmp_path):
    """What a model of some seeds starts from, sees and ends at: `seen(weights=9)` changes one of them."""

    def of(one=None, **changes):
        seed = SEEDS | changes if one is None else one
        dropping = {"label_dropout": 0.5, "dropout": 0.3, "crop": "centre", "flip": True, "num_classes": 2}
        model = tiny_model(seed=seed, batch_size=8, **dropping)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        make(init, model, folder)
        initial = (folder / "network.safetensors").read_bytes()
        run = new_run(model)
        drawn = model.training.seeds.noise, model.noise.timesteps, model.training.label_dropout
        made = list(inputs(run.batches, range(3), range(8), CPU, *drawn))
        run.to(3)
        end = torch.cat([value.flatten() for value in run.state.weights])
        images, labels, noises = zip(*made, strict=True)
        return {
            "initial": initial,
            "images": torch.stack(images),
            "dropped": torch.stack(labels) < 0,
            "t": torch.stack([noise.t for noise in noises]),
            "eps": torch.stack([noise.eps for noise in noises]),
            "end": end.detach(),
        }

    return of


def same(one, other):
    return {
        name for name, value in one.items() if (torch.equal if name != "initial" else bytes.__eq__)(value, other[name])
    }


@pytest.mark.parametrize(
    ("kind", "unmoved"),
    [
        # Training here starts from the same weights, whatever the seed.
        ("weights", {"images", "dropped", "t", "eps", "end"}),
        ("data", {"initial", "dropped", "t", "eps"}),
        ("noise", {"initial", "images"}),
    ],
)
def test_a_seed_moves_what_it_is_of_and_nothing_else(seen, kind, unmoved):
    assert same(seen(), seen(**{kind: 9})) == unmoved


def test_one_number_is_all_three_seeds(seen):
    one, three = seen(5), seen(dict.fromkeys(KINDS, 5))
    assert same(one, three) == set(one)


def test_dropout_is_of_the_noise(new_run, tiny_model):
    # With the same images and noise throughout, only dropout can tell two losses apart, once no weight is zero.
    losses = {}
    for kind, seed in (("noise", 3), ("noise", 9), ("data", 9)):
        run = new_run(tiny_model(seed=SEEDS | {kind: seed}, dropout=0.5))
        batches, timesteps = new_run(tiny_model()).batches, run.model.noise.timesteps
        ((x_0, y, noise),) = inputs(batches, range(1), range(12), CPU, 3, timesteps)
        run.state.network.train()
        losses[kind, seed] = [train_step(run.state, run.training, x_0, y, noise=noise).values["loss"] for _ in range(4)]
    assert losses["noise", 3] == losses["data", 9] != losses["noise", 9]
