"""`python -m lrisc_system.train`, and what `accelerate launch` starts."""

from lrisc_system.commands.launched import train as main

if __name__ == "__main__":
    main()
