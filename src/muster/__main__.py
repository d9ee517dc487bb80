"""`python -m muster`: the command."""

from muster.cli.main import main

main()
