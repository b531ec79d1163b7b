"""`snakemake --lint` has nothing to say but that rules name no container: the project has one environment for all."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ONE_ENVIRONMENT = "Specify a conda environment or container for each rule."


def test_snakemake_lint():
    command = [sys.executable, "-m", "snakemake", "--lint"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    printed = done.stdout + done.stderr
    titles = set(re.findall(r"^    \* (.+):$", printed, flags=re.MULTILINE))
    assert titles <= {ONE_ENVIRONMENT}, printed
    assert titles or "Congratulations" in printed, printed
