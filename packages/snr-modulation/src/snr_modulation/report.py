"""Show the results of a check: Markdown tables and a plot."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

from snr_modulation.link_check import CheckReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def require_extra(module: str) -> ModuleType:
    """Import a module of the extra [check].

    Raises:
        ImportError: if it is missing; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"this part of snr-modulation needs {module}: pip install 'snr-modulation[check]'"
        ) from error


def format_report(report: CheckReport) -> str:
    """Format a check as Markdown: a table over SNR, a table of wrong estimates, the findings."""
    config = report.config
    rows = zip(config.snrs_db, report.psnr_db, report.fall_db, strict=True)
    lines = ["| SNR (dB) | PSNR (dB) | below its best at a lower SNR (dB) |", "| ---: " * 3 + "|"]
    lines += [f"| {snr:g} | {psnr:.2f} | {fall:.2f} |" for snr, psnr, fall in rows]
    if report.loss_db is not None:
        header = " | ".join(f"{offset:+g}" for offset in config.offsets_db)
        lines += ["", f"| PSNR lost (dB) when the estimate is off by (dB) | {header} |"]
        lines += ["| ---: " * (1 + len(config.offsets_db)) + "|"]
        for snr, losses in zip(config.estimate_snrs_db, report.loss_db, strict=True):
            lines += [f"| at {snr:g} | " + " | ".join(map(two_digits, losses)) + " |"]
    return "\n".join([*lines, "", *findings(report)])


def two_digits(value: float) -> str:
    """Format a number with two digits, never as -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def findings(report: CheckReport) -> list[str]:
    """Write one line for each of the three parts of a check."""
    config = report.config
    fall = max(report.fall_db)
    at = config.snrs_db[report.fall_db.index(fall)]
    lines = [
        "ok: PSNR never falls as the SNR rises"
        if report.monotone
        else f"WRONG: PSNR falls as the SNR rises, by {fall:.2f} dB at {at:g} dB"
    ]
    if report.neighbour_change is None:
        lines += ["not measured: batch neighbours; the link differs under one torch.manual_seed"]
    elif report.independent:
        lines += ["ok: an image does not depend on its batch neighbours"]
    else:
        change = report.neighbour_change * 255
        lines += [f"WRONG: batch neighbours change an image by up to {change:.1f} of 255 levels"]
    if report.loss_db is None:
        return [
            *lines,
            "not measured: wrong estimates; the link draws no Gaussian noise in PyTorch",
        ]
    worst, offset, snr = max(
        (loss, offset, snr)
        for snr, losses in zip(config.estimate_snrs_db, report.loss_db, strict=True)
        for offset, loss in zip(config.offsets_db, losses, strict=True)
    )
    where = f"({offset:+g} dB at {snr:g} dB)"
    return [*lines, f"a wrong estimate costs at most {two_digits(worst)} dB {where}"]


def plot_report(report: CheckReport) -> "Figure":
    """Draw two plots: PSNR over SNR, and PSNR lost over the error of the estimate.

    Raises:
        ImportError: without matplotlib (the ``check`` extra).
    """
    figure_module = require_extra("matplotlib.figure")
    config = report.config
    figure: Figure = figure_module.Figure(figsize=(9, 3.6), layout="constrained")
    curve, loss = figure.subplots(1, 2)
    curve.plot(config.snrs_db, report.psnr_db, marker="o")
    falling = [
        (snr, psnr)
        for snr, psnr, fall in zip(config.snrs_db, report.psnr_db, report.fall_db, strict=True)
        if fall > config.fall_tolerance_db
    ]
    if falling:
        curve.scatter(*zip(*falling, strict=True), color="red", zorder=3, label="falls")
        curve.legend()
    curve.set(xlabel="SNR (dB)", ylabel="PSNR (dB)", title="PSNR over SNR")
    for snr, losses in zip(config.estimate_snrs_db, report.loss_db or (), strict=False):
        loss.plot(config.offsets_db, losses, marker="o", label=f"true SNR {snr:g} dB")
    loss.set(xlabel="estimate minus true SNR (dB)", ylabel="PSNR lost (dB)", title="Wrong SNR")
    if report.loss_db is None:
        loss.text(0.5, 0.5, "not measured", ha="center", transform=loss.transAxes)
    else:
        loss.legend()
        bottom, top = loss.get_ylim()
        loss.set_ylim(min(bottom, -0.1), max(top, 0.1))  # rounding errors must not look like a loss
    curve.set_xticks(config.snrs_db)
    for axes in (curve, loss):
        axes.grid(alpha=0.3)
    return figure
