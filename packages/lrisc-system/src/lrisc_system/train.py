"""`python -m lrisc_system.train`, and what `accelerate launch` starts."""

from lrisc_system.training.trainer import main

if __name__ == "__main__":
    main()
