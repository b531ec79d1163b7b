"""The verb `plan`: its tables, wherever the params file lies."""

import pytest

# One worker counts the operations of the scales' networks for all tests that plan them.
pytestmark = pytest.mark.xdist_group("planning")


@pytest.fixture
def planned(adm, root, monkeypatch):
    """What the verb prints of a params file."""

    def run(file):
        monkeypatch.chdir(root)
        code, lines, errors = adm("plan", "--params", file)
        assert code == 0, errors
        return lines

    return run


def test_a_plan_tells_operations_and_days(planned):
    lines = planned("scales/released/params.yaml")
    for column in ("EFLOP", "A100-days"):
        assert column in lines, column


def test_a_file_based_on_another_is_planned_wherever_it_lies(planned, root, tmp_path):
    other = tmp_path / "what-if.yaml"
    other.write_text(f"base: {root / 'scales' / 'released' / 'params.yaml'}\n")
    assert planned(other) == planned("scales/released/params.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["what-if.yaml"]
