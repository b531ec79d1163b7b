"""The verb `plan`: its tables, wherever the params file lies."""

import pytest

# One worker counts the operations of the scales' networks for all tests that plan them.
pytestmark = pytest.mark.xdist_group("planning")


def test_a_plan_tells_operations_and_days_wherever_the_file_lies(adm, root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    other = tmp_path / "what-if.yaml"
    other.write_text(f"base: {root / 'scales' / 'released' / 'params.yaml'}\n")
    code, lines, errors = adm("plan", "--params", "scales/released/params.yaml")
    assert (code, errors) == (0, "")
    assert [column for column in ("EFLOP", "A100-days") if column not in lines] == []
    assert adm("plan", "--params", other) == (0, lines, "")
    assert [path.name for path in tmp_path.iterdir()] == ["what-if.yaml"]
