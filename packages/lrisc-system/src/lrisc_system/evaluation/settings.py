"""What an evaluation is told: the options of `lrisc evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrisc_system.link import check_snr_db
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.checkpoint import SHIPPED

SHIPPED_DEEPJSCC = SHIPPED.parent / "deepjscc"


@dataclass(frozen=True)
class Point:
    """Where links are compared: the channel, and the bandwidth they may use."""

    snr_db: float
    cbr: float


@dataclass(frozen=True)
class EvaluateSettings:
    """One evaluation.

    Args:
        data: folder of images; Kodak in the paper.
        out: folder for all that is found; a second start with the same options goes on there, and
            links may be added to it.
        masks: folder of saliency maps `stem.png`; the classical detector by default.
        links: what to compare, of lrisc, deepjscc, linear (closed form), ldpc-420 and ldpc-444
            (HEVC, LDPC, QAM), ideal-420 and ideal-444 (HEVC at capacity); by default all that
            are possible here. Ablations, only if named: lrisc with no-roi, no-snr-module, one-rate,
            no-diffusion, steps-4, steps-17, steps-65.
        checkpoint: folder with config.json and model.safetensors of LRISC; the shipped one by
            default.
        model: what made it: lrisc, or module:function; what its run card names by default.
        alpha: weight of the background of LRISC, Eq. (3); the model's by default.
        steps: diffusion steps of LRISC; the model's by default.
        deepjscc: folder with trained DeepJSCC in it or below, one for each bandwidth; the shipped
            ones by default.
        fading: none (AWGN), or Rayleigh fading per image or per symbol.
        snr_db: SNRs in dB at the bandwidth `cbr`, Figure 4 of the paper.
        cbr: their bandwidth, side information included.
        bandwidths: at the SNR `bandwidths_snr_db`, Figure 6.
        bandwidths_snr_db: their SNR in dB.
        seeds: how often every image is sent at every point, each time over other noise.
        crop: side of a centre crop; whole images by default.
        vgg: file of VGG16's weights for LPIPS; by default what torchvision's cache holds.
        pictures: names of the images of the picture row, Figure 5; three by default.
        picture_cbr: their bandwidth; at `bandwidths_snr_db`.
        beside: `summary.csv` of an evaluation of the same images, crop and fading, whose other
            links stand in the tables and the curves too.

    Raises:
        ValueError: if a number is out of range.
    """

    data: Path
    out: Path
    masks: Path | None = None
    links: tuple[str, ...] = ()
    checkpoint: Path = SHIPPED
    model: str | None = None
    alpha: float | None = None
    steps: int | None = None
    deepjscc: Path = SHIPPED_DEEPJSCC
    fading: Fading = Fading.none
    snr_db: tuple[float, ...] = (1.0, 4.0, 7.0, 10.0, 13.0, 19.0)
    cbr: float = 1 / 48
    bandwidths: tuple[float, ...] = (1 / 96, 1 / 48, 1 / 32, 1 / 24, 1 / 16, 0.1)
    bandwidths_snr_db: float = 10.0
    seeds: int = 3
    crop: int | None = None
    vgg: Path | None = None
    pictures: tuple[str, ...] = ()
    picture_cbr: float = 0.017
    beside: Path | None = None

    def __post_init__(self) -> None:
        for snr_db in (*self.snr_db, self.bandwidths_snr_db):
            check_snr_db(snr_db)
        for cbr in (self.cbr, *self.bandwidths, self.picture_cbr):
            if not 0.0 < cbr <= 1.0:
                raise ValueError(f"expected a CBR in (0, 1], got {cbr:g}")
        if not self.points():
            raise ValueError("expected SNRs or bandwidths to measure at, got neither")
        if self.seeds < 1:
            raise ValueError(f"expected at least one seed, got {self.seeds}")
        if self.crop is not None and self.crop < 1:
            raise ValueError(f"expected a crop of at least one pixel, got {self.crop}")
        if self.alpha is not None and not 0.0 <= self.alpha <= 1.0:
            raise ValueError(f"expected alpha in [0, 1], got {self.alpha:g}")

    def over_snr(self) -> list[Point]:
        """List the points of Figure 4, by rising SNR."""
        return [Point(snr_db, self.cbr) for snr_db in sorted(set(self.snr_db))]

    def over_cbr(self) -> list[Point]:
        """List the points of Figure 6, by rising bandwidth."""
        return [Point(self.bandwidths_snr_db, cbr) for cbr in sorted(set(self.bandwidths))]

    def points(self) -> list[Point]:
        """List the points of both, each once."""
        return list(dict.fromkeys(self.over_snr() + self.over_cbr()))
