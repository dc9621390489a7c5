from pathlib import Path
from typing import Annotated, Literal

import pytest
from tyro.conf import Positional, arg

from lrisc_system.options import AS_BANDWIDTH, Bandwidth, read_options


def command(
    photo: Annotated[Positional[Path], arg(metavar="PHOTO")],
    /,
    *,
    count: int,
    kind: Literal["a", "b"] = "a",
) -> tuple[Path, int, str]:
    """Do something.

    Args:
        photo: image.
        count: number.
        kind: which.
    """
    return photo, count, kind


def read(*arguments):
    return read_options(command, prog="program", arguments=arguments)


def test_a_command_runs_when_it_is_called():
    assert read("a.png", "--count", "3", "--kind", "b")() == (Path("a.png"), 3, "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing from program: PHOTO, --count INT; see program --help"),
        (
            ("a", "--count", "x"),
            "Error parsing --count: invalid literal",
        ),
        (("a", "--count"), "Missing value for argument '--count'. Expected 1 values; see"),
        (
            ("a", "--count", "1", "--kind", "c"),
            "'--kind'. Expected one of ('a', 'b'); see",
        ),
        (
            ("a", "--count", "1", "--knd", "b"),
            "options: --knd, b; Perhaps you meant: ",
        ),
        (("a", "--count", "1", "b"), "Unrecognized options: b; see program --help"),
    ],
)
@pytest.mark.parametrize("columns", ["50", "200"])
def test_a_mistake_is_one_line(arguments, message, columns, monkeypatch, capfd):
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(ValueError, match=r"see program --help$") as mistake:
        read(*arguments)
    assert message in str(mistake.value)
    assert len(str(mistake.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("rank", "lines"), [(None, True), ("0", True), ("1", False)])
def test_one_process_explains(rank, lines, monkeypatch, capsys):
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    with pytest.raises(SystemExit) as stop:
        read("--help")
    assert not stop.value.code
    assert ("usage: program" in capsys.readouterr().out) is lines


def bandwidths(
    *,
    cbr: Bandwidth = 1 / 48,
    several: tuple[Bandwidth, ...] = (1 / 24, 0.1),
    most: Annotated[float | None, AS_BANDWIDTH, arg(help_behavior_hint="")] = None,
) -> tuple[float, tuple[float, ...], float | None]:
    """Do something."""
    return cbr, several, most


def test_a_bandwidth_may_be_a_fraction():
    def given(*words):
        return read_options(bandwidths, prog="program", arguments=words)()

    assert given() == (1 / 48, (1 / 24, 0.1), None)
    words = ("--cbr", "1/96", "--several", "1/16", "0.02", "--most", "1/32")
    assert given(*words) == (1 / 96, (1 / 16, 0.02), 1 / 32)


def test_the_help_shows_fractions(capsys):
    with pytest.raises(SystemExit):
        read_options(bandwidths, prog="program", arguments=["--help"])
    shown = capsys.readouterr().out
    assert "(default: 1/48)" in shown
    assert "(default: 1/24 0.1)" in shown
