import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

from lrisc_system.commands.main import COMMANDS
from lrisc_system.options import (
    CHECKPOINT_HELP,
    DEVICE_HELP,
    MODEL_HELP,
    PACKET_MODEL_HELP,
    SEED_HELP,
)

COMMON = {
    "--checkpoint": CHECKPOINT_HELP,
    "--model": MODEL_HELP,
    "--device": DEVICE_HELP,
    "--seed": SEED_HELP,
}

SEND_PACKETS = ("transmit", "send", "receive", "evaluate", "average")  # they refuse DeepJSCC
MENTION_DEEPJSCC = ("demo", "evaluate", "train", "recipes", "plan")


def test_the_overview_is_short_and_names_every_command(lrisc):
    for arguments in ((), ("--help",), ("-h",)):
        code, output, _ = lrisc(*arguments)
        assert code == 0
        assert len(output.splitlines()) < 30
        assert all(f"\n  {name} " in output for name in COMMANDS)


def test_the_version(lrisc):
    assert lrisc("--version") == (0, f"lrisc {version('lrisc-system')}\n", "")


def test_an_unknown_command_gets_near_matches(lrisc, one_line):
    assert "no command 'trian': expected train or" in one_line(lrisc("trian"))
    assert "expected demo or transmit or" in one_line(lrisc("xyz"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(lrisc, name):
    code, output, _ = lrisc(name, "--help")
    assert code == 0
    assert f"usage: lrisc {name}" in output
    assert len(output.splitlines()) > 10


@pytest.mark.parametrize("name", COMMANDS)
def test_the_overview_says_what_the_command_says(name):
    command = COMMANDS[name]
    module = importlib.import_module(f"lrisc_system.commands.{command.module}")
    text = inspect.getdoc(getattr(module, command.function))
    assert text.splitlines()[0] == command.summary


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("demo", ["--checkpoint", "--model", "--device", "--seed"]),
        ("transmit", ["--checkpoint", "--model", "--device", "--seed"]),
        ("send", ["--checkpoint", "--model", "--device"]),
        ("channel", ["--seed"]),
        ("receive", ["--checkpoint", "--model", "--device", "--seed"]),
        ("evaluate", ["--checkpoint", "--model", "--device"]),
        ("train", ["--checkpoint", "--model", "--device", "--seed"]),
        ("recipes", ["--model"]),
        ("plan", ["--checkpoint", "--model", "--device"]),
        ("average", ["--model", "--device"]),
    ],
)
def test_common_options_have_one_order_and_one_help(lrisc, name, options):
    text = " ".join(lrisc(name, "--help")[1].replace("│", " ").split())
    common = {**COMMON, "--model": PACKET_MODEL_HELP} if name in SEND_PACKETS else COMMON
    explained = [option for option, words in common.items() if words in text]
    assert explained == options
    places = [text.index(common[option]) for option in options]
    assert places == sorted(places)
    assert ("deepjscc" in text) == (name in MENTION_DEEPJSCC)
    assert all(option in text[:place] for option, place in zip(options, places, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["send"], "Missing from lrisc send: PHOTO, PACKET; see lrisc send --help"),
        (
            ["demo", "--cbr", "x"],
            "Error parsing --cbr: expected a number or a fraction such as 1/48, got 'x'",
        ),
        (
            ["transmit", "a", "b", "--snr-db", "10", "--cbr", "1/0"],
            "lrisc: Error parsing --cbr: expected a number or a fraction such as 1/48, got '1/0'",
        ),
        (["evaluate", "--data", "a", "--out", "b", "--bandwidths", "1/48", "x"], "['1/48', 'x']"),
        (["train", "--sed", "1"], "Unrecognized options: --sed, 1"),
        (["transmit", "--snr", "5", "a", "b"], "Unrecognized option: --snr, perhaps --snr-db or"),
        (["send", "--bogus=1", "a"], "lrisc: Unrecognized option: --bogus=1; Missing value for"),
        (["channel", "a", "b", "--seed", "9" * 30], "--seed: expected an integer from -92233720"),
        (["demo", "--seed", "x"], "--seed: expected an integer from -9223372036854775808 to"),
        (["channel", "a", "b", "--fading", "x"], "Expected one of ('none', 'block', 'fast'); see"),
    ],
)
def test_a_wrong_option_is_one_line(lrisc, one_line, arguments, message):
    assert message in one_line(lrisc(*arguments))


IMPORTED = """
import sys
from lrisc_system.commands.main import main
sys.argv = ["lrisc", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(sorted({"torch", "compressai", "matplotlib", "tyro"} & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "imported"),
    [
        (["--help"], []),
        (["--version"], []),
        *(([name, "--help"], ["tyro"]) for name in COMMANDS),
    ],
)
def test_help_imports_nothing_heavy(arguments, imported):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines()[-1] == str(imported)
