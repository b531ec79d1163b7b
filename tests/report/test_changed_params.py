"""What was made with another section of the params file than stands there now is shown by no table and no figure."""

import yaml

from adm.params.load import load, write
from adm.params.needs import needs_of
from adm.stages import table as stage


def test_a_table_called_by_hand_after_an_edit_shows_no_old_score_beside_the_new_scale(
    adm, params, write_scores, tmp_path
):
    run = "adm-128-4360"
    write_scores(tmp_path, params, needs_of(params, params.tables["table_8"]).metrics)
    content = yaml.safe_load(write(params)) | {"paths": {"results": str(tmp_path)}}

    def table():
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return adm("table", "table_8", "--params", tmp_path / "params.yaml")

    assert table()[0] == 0
    (tmp_path / "tables" / "table_8.md").unlink()
    before = content["runs"][run]["gradient_scale"]
    content["runs"][run]["gradient_scale"] = before + 0.25
    why = f"is out of date (params: run.gradient_scale {before} -> {before + 0.25})"
    assert table() == (2, "", f"error: {tmp_path / 'metrics' / run}.json: {why}; make it again: adm evaluate {run}\n")
    assert not (tmp_path / "tables" / "table_8.md").exists()


def test_a_section_with_its_defaults_written_out_or_left_out_is_the_same(root, params, placed, write_scores, tmp_path):
    needs = needs_of(params, params.tables["table_8"])
    assert "precision: float32" not in (root / "params.yaml").read_text()
    write_scores(tmp_path, params, needs.metrics)
    (tmp_path / "params.yaml").write_text(write(params))
    assert "precision: float32" in write(params)
    read = load(tmp_path / "params.yaml")
    stage.run("table_8", read.tables["table_8"], read, placed(needs, tmp_path), tmp_path / "t")
    assert (tmp_path / "t.csv").exists()
