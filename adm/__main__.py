"""`python -m adm`."""

from adm.cli import main

main()
