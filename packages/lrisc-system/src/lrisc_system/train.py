"""`python -m lrisc_system.train`, and what `accelerate launch` starts."""

from lrisc_system.commands.launched import run_launched
from lrisc_system.commands.training import train


def main() -> None:
    """Train from the command line."""
    run_launched(train, module="lrisc_system.train")


if __name__ == "__main__":
    main()
