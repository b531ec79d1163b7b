"""`resolve`: the written-out params file, and a trigger file for each job."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adm.artifacts.writing import new_file, new_folder


def run(written: str, triggers: Mapping[str, Mapping[str, Any]], jobs: Path, params: Path) -> None:
    """Write `<job>.json` for each job into the folder `jobs`, and the written-out params file.

    DVC only compares files, so each of its stages depends on its job's file. A changed value or changed code of a
    stage then runs exactly the jobs that depend on it.
    """
    with new_folder(jobs) as folder:
        for name, content in triggers.items():
            path = folder / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    with new_file(params) as path:
        path.write_text(written, encoding="utf-8")
