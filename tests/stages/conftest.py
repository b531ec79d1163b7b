"""Verbs of a params file, in an empty working folder."""

from pathlib import Path

import pytest
import yaml


@pytest.fixture
def verbs(adm, tmp_path, monkeypatch):
    """Write a params file and run verbs: `verbs(content, "init strong", "sample auto")`; what the last one gives."""
    monkeypatch.chdir(tmp_path)

    def run(content, *commands):
        Path("params.yaml").write_text(yaml.safe_dump(content))
        for command in commands:
            found = adm(*command.split())
        return found

    return run
