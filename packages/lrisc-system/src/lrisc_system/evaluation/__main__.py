"""`python -m lrisc_system.evaluation`, and what `accelerate launch` starts."""

from lrisc_system.commands.launched import evaluate_links as main

if __name__ == "__main__":
    main()
