"""The options of `lrisc evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from lrisc_system.evaluation.published import SNR_DB as PUBLISHED_SNR_DB
from lrisc_system.limits import MAX_BAD_SHARE, MAX_PIXELS, check_share
from lrisc_system.options import (
    Bandwidth,
    Checkpoint,
    Device,
    IntegerOption,
    MaxBadShare,
    MaxPixels,
    NumberOption,
    PacketModel,
    PathOption,
)
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.shipped import SHIPPED, SHIPPED_DEEPJSCC


@dataclass(frozen=True)
class Point:
    """Where links are compared: the channel, and the bandwidth they may use."""

    snr_db: float
    cbr: float


@dataclass(frozen=True)
class EvaluateSettings:
    """One evaluation.

    Args:
        data: Folder of images; Kodak in the paper.
        out: Folder for all results. The same command again continues there, and may add links.
        masks: Folder of saliency maps, `a/001.png` for the image `a/001.jpg`; without it the
            saliency is detected.
        links: Links to compare, of lrisc, lrisc-coded (with header, side information in real codes,
            preamble and pilots counted), deepjscc, linear (closed form), ldpc-420 and ldpc-444
            (HEVC, LDPC, QAM), ideal-420 and ideal-444 (HEVC at capacity); without it, all that
            are possible here. lrisc-matched (LRISC at the CBR that DeepJSCC takes) is added where
            DeepJSCC has to pad images. Only if named: lrisc with realism-0.25, realism-0.5,
            realism-0.75, realism-1, and its ablations no-roi, no-snr-module, one-rate,
            no-diffusion, steps-4, steps-17, steps-65.
        alpha: Weight of the background of LRISC, Eq. (3), instead of the model's.
        steps: Diffusion steps of LRISC, instead of the model's.
        realism: Realism of LRISC's images in [0, 1], but of those of the links realism-...
        realism_roi: Realism in the region of interest, if it is another one.
        deepjscc: Folder with trained DeepJSCC in it or below, one for each bandwidth; without it,
            the shipped ones.
        fading: AWGN alone (none), or with it Rayleigh fading per image or per symbol.
        snr_db: SNRs in dB at the bandwidth --cbr, Figure 4 of the paper.
        cbr: Bandwidth of the SNRs, side information included.
        bandwidths: Bandwidths at the SNR --bandwidths-snr-db, Figure 6 of the paper.
        bandwidths_snr_db: SNR in dB of the bandwidths.
        seeds: Number of times that every image is sent at every point, each over other noise.
        crop: Side of a centre crop; without it, whole images.
        vgg: File of VGG16's weights for LPIPS, DISTS, KID-VGG and FD-VGG; without it, what
            torchvision's cache holds.
        pictures: Names of the images in the row of pictures, Figure 5 of the paper; without it,
            three.
        picture_cbr: Bandwidth of the pictures, at the SNR --bandwidths-snr-db.
        earlier_results: `summary.csv` of an evaluation of the same images, crop and fading. Tables
            and curves also show its other links.
        published: Show published PSNR on Kodak (whole images, AWGN, 10 dB) in the tables and in
            the figure over CBR. Use it only if --data is the Kodak set; off by default, for a
            folder does not tell that.
        max_pixels: Skip images that claim more pixels.
        max_bad_share: Stop when more than this fraction of the images cannot be read; fewer are
            skipped, counted and named at the end.
        checkpoint: folder of LRISC.
        model: kind of LRISC, as `--model` names it.
        device: of the models; what the launcher gives by default.

    Raises:
        ValueError: if a number is out of range.
    """

    data: Path
    out: Path
    masks: PathOption = None
    links: tuple[str, ...] = ()
    alpha: NumberOption = None
    steps: IntegerOption = None
    realism: float = 0.0
    realism_roi: NumberOption = None
    deepjscc: Annotated[Path, arg(help_behavior_hint="")] = SHIPPED_DEEPJSCC
    fading: Fading = Fading.none
    snr_db: tuple[float, ...] = (1.0, 4.0, 7.0, 10.0, 13.0, 19.0)
    cbr: Bandwidth = 1 / 48
    bandwidths: tuple[Bandwidth, ...] = (1 / 96, 1 / 48, 1 / 32, 1 / 24, 1 / 16, 0.1)
    bandwidths_snr_db: float = 10.0
    seeds: int = 3
    crop: IntegerOption = None
    vgg: PathOption = None
    pictures: tuple[str, ...] = ()
    picture_cbr: Bandwidth = 0.017
    earlier_results: PathOption = None
    published: bool = False
    max_pixels: MaxPixels = MAX_PIXELS
    max_bad_share: MaxBadShare = MAX_BAD_SHARE
    checkpoint: Checkpoint = SHIPPED
    model: PacketModel = None
    device: Device = None

    def __post_init__(self) -> None:
        from lrisc_system.link import check_snr_db  # imports torch, which --help does not need
        from lrisc_system.realism import check_realism

        for snr_db in (*self.snr_db, self.bandwidths_snr_db):
            check_snr_db(snr_db)
        for cbr in (self.cbr, *self.bandwidths, self.picture_cbr):
            if not 0.0 < cbr <= 1.0:
                raise ValueError(f"expected a CBR in (0, 1], got {cbr:g}")
        check_share(self.max_bad_share)
        if self.data.resolve() == self.out.resolve():
            raise ValueError(f"expected another folder for results than for images, got {self.out}")
        if not self.points():
            raise ValueError("expected SNRs or bandwidths to measure at, got neither")
        if self.seeds < 1:
            raise ValueError(f"expected at least one seed, got {self.seeds}")
        if self.crop is not None and self.crop < 1:
            raise ValueError(f"expected a crop of at least one pixel, got {self.crop}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"expected steps of at least 1, got {self.steps}")
        if self.published and (
            self.crop is not None
            or self.fading is not Fading.none
            or self.bandwidths_snr_db != PUBLISHED_SNR_DB
        ):
            raise ValueError(
                "expected whole images over AWGN at --bandwidths-snr-db 10 with --published, got "
                f"crop {self.crop}, fading {self.fading.name}, {self.bandwidths_snr_db:g} dB"
            )
        check_realism(self.realism, self.realism_roi)
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
