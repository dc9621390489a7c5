import pytest

from lrisc_system.evaluation.__main__ import main
from lrisc_system.training import launching


@pytest.fixture
def launched(monkeypatch, capsys):
    """Run the module as `python -m` does; returns exit code, output and error text."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["lrisc_system.evaluation", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return stop.value.code, captured.out, captured.err

    return run


def test_it_explains_itself(launched):
    code, output, _ = launched("--help")
    assert code == 0
    for option in ("--links", "--seeds", "--crop", "--fading", "--vgg", "--deepjscc"):
        assert option in output


def test_it_starts_the_processes_that_the_launcher_did_not(launched, monkeypatch, tmp_path):
    def start(module):
        raise ValueError(f"would start {module}")

    monkeypatch.setattr(launching, "start_missing_processes", start)
    _, _, error = launched("--data", tmp_path, "--out", tmp_path / "out")
    assert error.startswith("lrisc: would start lrisc_system.evaluation (at ")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--links", "radio"], "got 'radio'"),
        (["--cbr", "3"], "expected a CBR in (0, 1], got 3"),
        (["--checkpoint", "nowhere"], "config.json"),
        (["--deepjscc", "nowhere", "--links", "deepjscc"], "trained DeepJSCC in or below nowhere"),
        (["--vgg", "nowhere.pth"], "nowhere.pth"),
        (["--masks", "nowhere"], "a mask for every photo"),
        (["--seeds", "x"], "Error parsing --seeds"),
        (["--device", "abc"], "expected a device of cpu"),
    ],
)
def test_a_mistake_is_one_line(launched, photos, tmp_path, options, message):
    code, _, error = launched("--data", photos, "--out", tmp_path / "results", *options)
    assert code == 2
    assert error.startswith("lrisc: ")
    assert len(error.splitlines()) == 1
    assert message in error


def test_an_empty_folder_is_one_line(launched, tmp_path):
    code, _, error = launched("--data", tmp_path, "--out", tmp_path / "results")
    assert (code, len(error.splitlines())) == (2, 1)
    assert "expected images" in error
