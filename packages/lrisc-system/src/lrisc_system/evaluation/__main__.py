"""`python -m lrisc_system.evaluation`, and what `accelerate launch` starts."""

from lrisc_system.commands.evaluation import evaluate
from lrisc_system.commands.launched import run_launched


def main() -> None:
    """Evaluate from the command line."""
    run_launched(evaluate, module="lrisc_system.evaluation")


if __name__ == "__main__":
    main()
