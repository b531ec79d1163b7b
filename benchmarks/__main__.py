"""One table of every benchmark, or of those that are named; each runs on one thread, in a process of its own."""

import argparse
import sys
from multiprocessing import get_context

from benchmarks.table import HEADER, NAMES, show


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
    print(HEADER, flush=True)
    for name in options.names or NAMES:
        process = get_context("spawn").Process(target=show, args=(name, options.smallest))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(process.exitcode)


if __name__ == "__main__":
    main()
