"""`python -m engine`."""

import sys

try:
    from engine.cli import app

    app(prog_name="python -m engine")
except KeyboardInterrupt:  # before the command had begun
    sys.exit(130)
