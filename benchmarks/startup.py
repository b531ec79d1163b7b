"""Start-up of every verb: seconds until its stage is imported, and whether torch or TensorFlow came with it."""

import argparse
import subprocess
import sys
import time

from adm.artifacts.code import verbs

SCRIPT = "import adm.cli, adm.stages.{verb}, sys; print([n for n in ('torch', 'tensorflow') if n in sys.modules])"


def main() -> None:
    """Print a line a verb, the fastest of its starts; TensorFlow comes later, when a graph is read or written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smallest", action="store_true", help="one start of two verbs")
    options = parser.parse_args()
    started, repeats = (["resolve", "gather"], 1) if options.smallest else (verbs(), 3)
    for verb in started:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", SCRIPT.format(verb=verb)], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        print(f"start-up of {verb:10} {min(seconds):5.2f} s  imports {done.stdout.decode().strip()}")


if __name__ == "__main__":
    main()
