"""The table, the findings and the plot of a check."""

import sys
from pathlib import Path

import pytest

from snr_modulation import CheckConfig, CheckReport, format_report, plot_report
from snr_modulation.report import require_extra, two_digits

CONFIG = CheckConfig(snrs_db=(1, 10), estimate_snrs_db=(4,), offsets_db=(-6, 0, 6))
GOOD = CheckReport(
    config=CONFIG,
    psnr_db=(20.0, 25.0),
    fall_db=(0.0, 0.0),
    neighbour_change=0.0,
    loss_db=((1.5, 0.0, -0.001),),
)
BAD = CheckReport(
    config=CONFIG,
    psnr_db=(25.0, 23.5),
    fall_db=(0.0, 1.5),
    neighbour_change=0.1,
    loss_db=None,
)


def test_good_report() -> None:
    assert format_report(GOOD).splitlines() == [
        "| SNR (dB) | PSNR (dB) | below its best at a lower SNR (dB) |",
        "| ---: | ---: | ---: |",
        "| 1 | 20.00 | 0.00 |",
        "| 10 | 25.00 | 0.00 |",
        "",
        "| PSNR lost (dB) when the estimate is off by (dB) | -6 | +0 | +6 |",
        "| ---: | ---: | ---: | ---: |",
        "| at 4 | 1.50 | 0.00 | 0.00 |",
        "",
        "ok: PSNR never falls as the SNR rises",
        "ok: an image does not depend on its batch neighbours",
        "a wrong estimate costs at most 1.50 dB (-6 dB at 4 dB)",
    ]


def test_bad_report() -> None:
    # 0.1 of full scale is 25.5 of 255 levels.
    assert format_report(BAD).splitlines()[-3:] == [
        "WRONG: PSNR falls as the SNR rises, by 1.50 dB at 10 dB",
        "WRONG: batch neighbours change an image by up to 25.5 of 255 levels",
        "not measured: wrong estimates; the link draws no Gaussian noise in PyTorch",
    ]


def test_no_negative_zero() -> None:
    assert two_digits(-0.004) == "0.00"
    assert two_digits(-0.006) == "-0.01"


@pytest.mark.parametrize("report", [GOOD, BAD])
def test_plot(report: CheckReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figure = plot_report(report)
    curve, loss = figure.axes
    assert tuple(curve.lines[0].get_ydata()) == report.psnr_db
    assert len(loss.lines) == len(report.loss_db or ())
    assert len(curve.collections) == (0 if report.monotone else 1)  # the falling points, red
    figure.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib\.figure: pip install 'snr-modul"):
        plot_report(GOOD)
    assert require_extra("math").sqrt(4) == 2
