"""`python -m adm`."""

import signal
import sys

if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    # Until it has begun Ctrl-C ends it as any process: libraries that are being imported may swallow the exception.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from adm.fork_server import run_in_fork

if (code := run_in_fork(sys.argv[1:])) is not None:
    sys.exit(code)

from adm.cli import main

main()
