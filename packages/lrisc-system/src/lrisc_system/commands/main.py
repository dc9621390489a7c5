"""The program `lrisc`. Each command is imported when it runs."""

from __future__ import annotations

import difflib
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version

from lrisc_system.training.failures import ending_in_one_line

HELP = ("-h", "--help")


@dataclass(frozen=True)
class Command:
    """A command: its function and its summary.

    Args:
        module: of `lrisc_system.commands`.
        function: in it; its signature is the command's options.
        summary: one line for the overview; the docstring of the function begins with it.
    """

    module: str
    function: str
    summary: str


COMMANDS = {
    "demo": Command(
        "demo_command", "demo", "Send a photo at 1, 10 and 19 dB and draw the results."
    ),
    "transmit": Command("transmission", "transmit", "Send a photo over a simulated channel."),
    "send": Command("transmission", "send", "Encode a photo into a packet of channel symbols."),
    "channel": Command("transmission", "channel", "Send a packet through a simulated channel."),
    "receive": Command("reception", "receive", "Decode a received packet into an image."),
    "evaluate": Command("evaluation", "evaluate", "Compare links on a folder of images."),
    "train": Command("training", "train", "Train a model by the stages of a recipe."),
    "recipes": Command("recipes", "recipes", "List the recipes of training and their stages."),
    "plan": Command("training", "plan", "Estimate the memory that training takes."),
    "average": Command("training", "average", "Average the weights of several trained models."),
}


def overview() -> str:
    """Return the text of `lrisc --help`: a list of the commands."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: lrisc COMMAND [OPTIONS]",
            "",
            "Transmit images over noisy links.",
            "",
            *(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "`lrisc COMMAND --help` explains a command. `lrisc --version` prints the version.",
        ]
    )


def run(arguments: list[str]) -> None:
    """Run a command line.

    Args:
        arguments: of the command line, without the program's name.

    Raises:
        ValueError: if there is no such command or option, or an option's value is wrong.
    """
    name, *rest = arguments or HELP
    if name in HELP:
        print(overview())
    elif name == "--version":
        print(f"lrisc {version('lrisc-system')}")
    elif name in COMMANDS:
        from lrisc_system.options import read_options  # the overview needs no parser

        command = COMMANDS[name]
        module = import_module(f"lrisc_system.commands.{command.module}")
        function = getattr(module, command.function)
        read_options(function, prog=f"lrisc {name}", arguments=rest)()
    else:
        near = difflib.get_close_matches(name, COMMANDS) or COMMANDS
        raise ValueError(f"there is no command {name!r}: expected {' or '.join(near)}")


def main() -> None:
    """Run a command; a user's mistake ends in one line and exit code 2."""
    with ending_in_one_line():
        run(sys.argv[1:])


if __name__ == "__main__":
    main()
