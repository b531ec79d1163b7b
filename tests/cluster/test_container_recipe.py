"""The container's recipe is one that the linter has nothing to say of."""

import subprocess
import sys
from pathlib import Path

from miniature import ROOT


def test_hadolint():
    program = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [program, "--no-color", "--failure-threshold", "style", ROOT / "Dockerfile"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
