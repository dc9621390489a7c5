"""The entry point ``snr-modulation``; its command needs the ``check`` extra."""

import sys

from snr_modulation.report import require_extra


def main() -> None:
    """Run the command line; if a package is missing, say in one line what to install."""
    try:
        for module in ("typer", "matplotlib", "PIL"):
            require_extra(module)
    except ImportError as error:
        sys.exit(str(error))
    from snr_modulation.commands import app

    app()
