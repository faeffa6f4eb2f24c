"""``python -m sm_core.cli``: the ``sm`` command where its script is not on the PATH."""

from sm_core.cli import main

main(prog_name="sm")
