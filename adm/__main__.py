"""`python -m adm`."""

import sys

from adm.fork_server import run_in_fork

if (code := run_in_fork(sys.argv[1:])) is not None:
    sys.exit(code)

from adm.cli import main

main()
