"""What the tests of the commands share; `tests/test_three_processes.py` runs them in processes."""

import pytest
import torch

from lrisc_system.commands.main import main
from lrisc_system.config import TINY
from lrisc_system.data.images import save_image
from lrisc_system.storage.checkpoint import save_model
from lrisc_system.system import LRISC


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    save_model(system, folder)
    return str(folder)


@pytest.fixture
def photo(tmp_path):
    save_image(
        torch.rand(3, 40, 56, generator=torch.Generator().manual_seed(0)), tmp_path / "a.png"
    )
    return tmp_path / "a.png"


@pytest.fixture
def lrisc(monkeypatch, capsys):
    """Run a command; returns its exit code, output and error text."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["lrisc", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def one_line():
    """Check that a command failed as a user's mistake should: exit code 2 and one line."""

    def check(result):
        code, _, error = result
        assert code == 2, result
        assert error.startswith("lrisc: ")
        assert len(error.splitlines()) == 1, error
        return error

    return check
