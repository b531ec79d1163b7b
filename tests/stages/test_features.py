"""The stage `features` computes as the others do: with the threads of its section and deterministic kernels."""

import pytest
import torch

from adm.errors import UserError
from adm.params.data import PublishedGraphParams
from adm.stages import features


@pytest.fixture
def unsettled():
    """Whatever kernels there are, as torch begins with; the process's own settings come back."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    yield
    torch.set_deterministic_debug_mode(mode)
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("unsettled")
def test_threads_and_kernels_are_settled_before_anything_is_computed(tmp_path):
    section = PublishedGraphParams(url="https://example.org/graph.pb", executor="torch", feature_batch=8, threads=2)
    with pytest.raises(UserError, match="does not exist"):
        features.run(section, tmp_path / "none", tmp_path / "none", tmp_path / "out", {}, "cpu", 10)
    assert torch.get_num_threads() == 2
    assert torch.get_deterministic_debug_mode() == 2
