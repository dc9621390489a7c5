"""PSNR that other works report on the Kodak set: whole images, AWGN, 10 dB."""

from __future__ import annotations

from dataclasses import dataclass

SNR_DB = 10.0


@dataclass(frozen=True)
class PublishedCurve:
    """One published curve.

    Args:
        name: of the method.
        colour: in figures.
        source: the work that describes the method.
        psnr: (CBR, mean PSNR over RGB in dB), by rising CBR.
    """

    name: str
    colour: str
    source: str
    psnr: tuple[tuple[float, float], ...]


# Collected from the curves and tables of the works named, not measured here.
PUBLISHED = (
    PublishedCurve(
        "SwinJSCC SA&RA",
        "#882255",
        "Yang et al., SwinJSCC, 2023, arXiv 2308.09361",
        ((0.0208, 29.04), (0.0417, 31.55), (0.0625, 33.17)),
    ),
    PublishedCurve(
        "NTSCC+",
        "#332288",
        "Wang et al., improved NTSCC, 2023, arXiv 2303.14637",
        ((0.0157, 29.0), (0.030, 31.25)),
    ),
    PublishedCurve(
        "DeepJSCC, 256 channels",
        "#56B4E9",
        "method: Bourtsoulatze et al., 2019, arXiv 1809.01733; network of later works",
        ((0.021, 27.4), (0.042, 30.0)),
    ),
    PublishedCurve(
        "BPG + LDPC",
        "#999933",
        "baseline in the comparisons of the works above",
        ((0.021, 28.85),),
    ),
)
