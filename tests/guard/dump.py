"""What params files stand for, in full: resolved params and every job. `python tests/guard/dump.py` writes it anew."""

import json
import lzma
from pathlib import Path
from typing import Any

import yaml

from adm.params import load
from adm.params.load import write
from adm.pipeline import Pipeline

HERE = Path(__file__).parent

FILES = {
    "embedded": Path("params.yaml"),
    **{name: Path(f"scales/{name}/params.yaml") for name in ("digits", "fashion", "paper", "released")},
    **{path.stem: path for path in sorted(HERE.glob("new/*.yaml"))},
}


def dumped(file: Path) -> dict[str, Any]:
    """Resolved params, and by name each job: ordered inputs, values, outputs, resources, threads and command."""
    pipeline = Pipeline(load(file))
    jobs = {
        name: {
            "inputs": [[name, str(path)] for name, path in job.inputs.items()],
            "values": job.values,
            "outputs": {name: str(path) for name, path in job.outputs.items()},
            "resources": pipeline.resources(job).model_dump(mode="json"),
            "threads": job.threads,
            "command": job.command,
        }
        for name, job in pipeline.jobs.items()
    }
    return {"params": yaml.safe_load(write(pipeline.params)), "jobs": json.loads(json.dumps(jobs))}


def kept(name: str) -> Path:
    return HERE / f"{name}.json.xz"


def main() -> None:
    for name, file in FILES.items():
        kept(name).write_bytes(lzma.compress(json.dumps(dumped(file)).encode(), preset=9))


if __name__ == "__main__":
    main()
