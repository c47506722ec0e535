"""`python -m tbdx`: the same as `tbdx`."""

from tbdx.cli.main import main

main("tbdx")
