"""The options of the command line: those that commands share, and the parser."""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro
from tyro.conf import arg
from tyro.constructors import PrimitiveConstructorSpec

from lrisc_system.bandwidth import name_cbr, read_cbr
from lrisc_system.limits import MAX_PIXELS

CHECKPOINT_HELP = "Folder of the model: config.json and model.safetensors."
MODEL_HELP = (
    "Kind of the model: lrisc, the baseline deepjscc, or module:function, a function of your own "
    "that takes a config and returns an LRISC with your parts."
)
PACKET_MODEL_HELP = (
    "Kind of the model: lrisc, or module:function, a function of your own that takes a config and "
    "returns an LRISC with your parts."
)
DEVICE_HELP = (
    "Device to compute on: cpu, cuda, cuda:1 or mps. Without this option, train and evaluate use a "
    "GPU if there is one, and the other commands use the CPU."
)
SEED_HELP = "Seed of everything random."
MAX_PIXELS_HELP = "Refuse an image, or a packet, that claims more pixels."
SEEDS = (-(2**63), 2**63 - 1)
RECORDED = "(default: the kind that the checkpoint's run.json names, or else lrisc)"

Checkpoint = Annotated[
    Path,
    arg(help=CHECKPOINT_HELP, metavar="FOLDER", help_behavior_hint="(default: the shipped model)"),
]
Model = Annotated[str | None, arg(help=MODEL_HELP, metavar="KIND", help_behavior_hint=RECORDED)]
PacketModel = Annotated[
    str | None, arg(help=PACKET_MODEL_HELP, metavar="KIND", help_behavior_hint=RECORDED)
]
Device = Annotated[str | None, arg(help=DEVICE_HELP, metavar="DEVICE", help_behavior_hint="")]
AS_SEED: PrimitiveConstructorSpec[int] = PrimitiveConstructorSpec(
    nargs=1,
    metavar="INT",
    instance_from_str=lambda words: read_seed(words[0]),
    is_instance=lambda value: isinstance(value, int),
    str_from_instance=lambda seed: [str(seed)],
)
Seed = Annotated[int, AS_SEED, arg(help=SEED_HELP, metavar="INT")]
MaxPixels = Annotated[
    int, arg(help=MAX_PIXELS_HELP, metavar="INT", help_behavior_hint=f"(default: {MAX_PIXELS})")
]

MaxBadShare = Annotated[
    float,
    arg(
        help="Stop when more than this fraction of the photos cannot be read; fewer are skipped, "
        "counted and named at the end.",
        metavar="FLOAT",
    ),
]

Realism = Annotated[
    float,
    arg(
        help="Realism of the image in [0, 1]: 0 for the most faithful image, 1 for the most "
        "natural one. Above 0, detail is invented: do not trust it.",
    ),
]
RealismROI = Annotated[
    float | None,
    arg(
        help="Realism in the region of interest, which the receiver finds in the image.",
        metavar="FLOAT",
        help_behavior_hint="(default: that of --realism)",
    ),
]

# The same options where the model may be new: `train` and `plan`.
FirstCheckpoint = Annotated[
    Path | None,
    arg(
        name="checkpoint",
        aliases=("--start-from",),
        help=CHECKPOINT_HELP,
        metavar="FOLDER",
        help_behavior_hint="(default: a new model)",
    ),
]
NewModel = Annotated[str, arg(help=MODEL_HELP, metavar="KIND")]

# A bandwidth may also be written as a fraction.
AS_BANDWIDTH: PrimitiveConstructorSpec[Any] = PrimitiveConstructorSpec(
    nargs=1,
    metavar="CBR",
    instance_from_str=lambda words: read_cbr(words[0]),
    is_instance=lambda value: value is None or isinstance(value, (int, float)),
    str_from_instance=lambda cbr: ["none" if cbr is None else name_cbr(cbr)],
)
Bandwidth = Annotated[float, AS_BANDWIDTH]

# Options without a default value; their help says what happens without them.
PathOption = Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")]
TextOption = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="")]
IntegerOption = Annotated[int | None, arg(metavar="INT", help_behavior_hint="")]
NumberOption = Annotated[float | None, arg(metavar="FLOAT", help_behavior_hint="")]

Result = TypeVar("Result")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def read_seed(text: str) -> int:
    """Read a seed.

    Raises:
        ValueError: if it is no integer that PyTorch's generators take.
    """
    try:
        return check_seed(int(text))
    except ValueError:
        raise ValueError(f"expected an integer from {SEEDS[0]} to {SEEDS[1]}, got {text}") from None


def check_seed(seed: int) -> int:
    """Return a seed.

    Raises:
        ValueError: if PyTorch's generators do not take it.
    """
    least, most = SEEDS
    if not least <= seed <= most:
        raise ValueError(f"expected a seed in [{least}, {most}], got {seed}")
    return seed


def read_options(
    command: Callable[..., Result], *, prog: str, arguments: Sequence[str], description: str = ""
) -> Callable[[], Result]:
    """Read the options of a command, and return a function that runs it.

    `--help` prints and exits, in the first process of a machine only.

    Args:
        command: function whose signature and docstring define the options and their help.
        prog: name of the program, for the help.
        arguments: of the command line, without the program's name.
        description: of the program; the command's docstring by default.

    Raises:
        ValueError: in one line, if there is no such option or a value is missing or wrong.
    """

    @functools.wraps(command)
    def bind(*positional: Any, **named: Any) -> Callable[[], Result]:
        return functools.partial(command, *positional, **named)

    first = os.environ.get("LOCAL_RANK", "0") == "0"
    complaint = io.StringIO()
    try:
        with redirect_stderr(complaint), redirect_stdout(sys.stdout if first else io.StringIO()):
            return tyro.cli(bind, prog=prog, description=description or None, args=arguments)
    except SystemExit as stop:
        if not stop.code:
            raise
        line = _in_one_line(complaint.getvalue())
        if "Unrecognized" not in line:  # a missing word is complained of before these
            line = "; ".join([*_unknown_options(bind, arguments), line])
        raise ValueError(f"{line}; see {prog} --help") from None


def _unknown_options(command: Callable[..., object], arguments: Sequence[str]) -> list[str]:
    """Describe the words that look like options of a command and are none."""
    page = io.StringIO()
    with redirect_stdout(page), contextlib.suppress(SystemExit):
        tyro.cli(command, args=["--help"])
    known = set(re.findall(r"--[a-z0-9-]+", ANSI.sub("", page.getvalue())))
    unknown = []
    for word in arguments:
        name = word.partition("=")[0].replace("_", "-")
        if re.fullmatch(r"--[a-z0-9-]+", name) and name not in known:
            near = " or ".join(difflib.get_close_matches(name, sorted(known)))
            unknown.append(f"Unrecognized option: {word}" + (f", perhaps {near}" if near else ""))
    return unknown


def _in_one_line(box: str) -> str:
    """Shorten the box in which tyro explains a mistake: its sections, without the help texts.

    A section is a sentence, which may have been wrapped, and indented options or words below it.
    """
    sections: list[tuple[list[str], list[str]]] = [([], [])]
    for row in ANSI.sub("", box).splitlines()[1:-1]:  # the title and the bottom
        inside = row.strip("│|")
        text = inside.strip()
        indent = len(inside) - len(inside.lstrip()) - 1
        if set(text) <= {"─", "-"}:
            sections.append(([], []))
        elif indent < 8:  # deeper stand help texts
            sections[-1][indent >= 4].append(text)
    lines = (
        " ".join([" ".join(sentence), ", ".join(items)]).rstrip(" .")
        for sentence, items in sections
    )
    footers = ("For full helptext", "Argument helptext")
    return "; ".join(line for line in lines if line and not line.startswith(footers))
