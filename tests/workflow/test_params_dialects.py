"""Snakemake reads YAML 1.1 and DVC YAML 1.2: a params file must mean the same to both."""

import re
from pathlib import Path

import pytest
import yaml
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
PARAMS = [ROOT / "params.yaml", *sorted((ROOT / "scales").glob("*/params.yaml"))]


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_both_dialects_read_the_same(path):
    assert yaml.safe_load(path.read_text()) == YAML(typ="safe").load(path)


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_value_that_the_dialects_could_read_differently(path):
    values = re.findall(r"[:,\[] *([^\s,\[\]{}#&*][^\s,\]}]*)", path.read_text())
    odd = [v for v in values if re.fullmatch(r"[0-9.]+e[0-9]+|[0-9]+e-?[0-9]+|0[0-9]+|on|off|yes|no|[0-9]+:[0-9:]+", v)]
    assert odd == []
