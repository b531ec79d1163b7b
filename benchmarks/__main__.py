"""Every benchmark, or those that are named, one after the other, each in a process of its own."""

import argparse
import subprocess
import sys

NAMES = ("startup", "frechet", "features", "loading", "training", "sampling", "memory")


def main() -> None:
    """Run `python -m benchmarks [--smallest] [NAME ...]`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument(
        "--smallest", action="store_true", help="in seconds, to see that it runs; its ratios say little"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    size = ["--smallest"] if options.smallest else []
    for name in options.names or NAMES:
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *size], check=True)


if __name__ == "__main__":
    main()
