"""The runnable examples, with fewer steps than they take by default."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_conv_deepjscc(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(EXAMPLES / "conv_deepjscc.py"))
    psnr_db = example["main"](steps=100)
    gains = [a - b for a, b in zip(psnr_db["after"], psnr_db["before"], strict=True)]
    assert gains[0] > 0.1  # at 1 dB, far below the 10 dB of the first training
    assert min(gains) > -0.05
    assert "ok: PSNR never falls" in capsys.readouterr().out


def test_swin_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    example = runpy.run_path(str(EXAMPLES / "swin_tokens.py"))
    report = example["main"](steps=50)
    assert report.passed
    assert report.psnr_db[-1] > report.psnr_db[0] > 12
    assert "ok: an image does not depend" in capsys.readouterr().out
