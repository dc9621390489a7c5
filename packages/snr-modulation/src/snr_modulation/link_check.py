"""Check any image link: PSNR over SNR, dependence on the batch, the loss from a wrong SNR."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from snr_modulation.scaled_noise import ScaledNoise
from snr_modulation.user_code import describe_error

Link = Callable[[Tensor, Tensor | float], Tensor]
MismatchedLink = Callable[[Tensor, Tensor | float, Tensor | float], Tensor]


class LinkError(ValueError):
    """A link raised an error; the message names it and the line of the link's code."""


@dataclass(frozen=True)
class CheckConfig:
    """What to measure, and the tolerances.

    Attributes:
        snrs_db: rising SNRs of the PSNR curve, dB.
        estimate_snrs_db: true SNRs at which wrong estimates are tested, dB.
        offsets_db: estimated minus true SNR, dB.
        fall_tolerance_db: largest fall of PSNR that is not a fault, dB.
        neighbour_tolerance: largest change of a pixel in [0, 1] that is not a fault.
        per_sample_snr: call the link with an SNR tensor (B,), otherwise with a number.
        repeats: noise realisations per point, seeded ``seed``, ``seed + 1``, ...
        seed: of PyTorch's global generator; every SNR uses the same noise.
    """

    snrs_db: tuple[float, ...] = (1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0)
    estimate_snrs_db: tuple[float, ...] = (4.0, 10.0, 16.0)
    offsets_db: tuple[float, ...] = (-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0)
    fall_tolerance_db: float = 0.05
    neighbour_tolerance: float = 1e-4
    per_sample_snr: bool = True
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.snrs_db, self.snrs_db[1:], strict=False))
        if len(self.snrs_db) < 2 or not rising:
            raise ValueError(f"expected two or more rising snrs_db, got {self.snrs_db}")
        numbers = (*self.snrs_db, *self.estimate_snrs_db, *self.offsets_db)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"expected finite SNRs and offsets, got {numbers}")
        if self.repeats < 1:
            raise ValueError(f"expected repeats of at least 1, got {self.repeats}")


@dataclass(frozen=True)
class CheckReport:
    """The results of a check.

    Attributes:
        config: the settings of the check.
        psnr_db: the mean PSNR of the images at each of ``config.snrs_db``.
        fall_db: for each of these, the difference to the best one at a lower SNR, at least 0.
        neighbour_change: the largest change of a pixel of an image when only the other images of
            the batch change; None if the link gives different results for one seed.
        loss_db: rows ``config.estimate_snrs_db``, columns ``config.offsets_db``: PSNR lost by the
            wrong estimate (negative for a gain); None if it cannot be measured.
    """

    config: CheckConfig
    psnr_db: tuple[float, ...]
    fall_db: tuple[float, ...]
    neighbour_change: float | None
    loss_db: tuple[tuple[float, ...], ...] | None

    @property
    def monotone(self) -> bool:
        """Whether PSNR never falls as the SNR rises."""
        return max(self.fall_db) <= self.config.fall_tolerance_db

    @property
    def independent(self) -> bool | None:
        """Whether an image is independent of the rest of the batch; None if not measurable."""
        if self.neighbour_change is None:
            return None
        return self.neighbour_change <= self.config.neighbour_tolerance

    @property
    def passed(self) -> bool:
        """Whether no fault was found."""
        return self.monotone and self.independent is not False


def check(
    link: Link,
    images: Tensor,
    config: CheckConfig | None = None,
    *,
    mismatched: MismatchedLink | None = None,
) -> CheckReport:
    """Measure PSNR over SNR, the dependence on the batch, and the loss from a wrong SNR.

    Args:
        link: ``(images (B, 3, H, W) in [0, 1], snr_db) -> images``. It contains the channel;
            channel and model both use ``snr_db``. It should draw its noise from PyTorch's
            global generator, in shapes that do not depend on the content of the images.
        images: (B, 3, H, W) in [0, 1].
        config: what to measure.
        mismatched: ``(images, snr_db, estimate_db) -> images``, the link with a channel at
            ``snr_db`` and a model that uses ``estimate_db``. Without it, the noise of ``link``
            is scaled, see :class:`~snr_modulation.scaled_noise.ScaledNoise`. This is correct
            for AWGN drawn by PyTorch, if it is the only Gaussian draw of the link.

    Raises:
        ValueError: if the images, or the output of the link, have a wrong shape or range.
        LinkError: if the link raises an error.
    """
    if images.ndim != 4 or images.shape[0] < 1:
        raise ValueError(f"expected images (B, C, H, W), got {tuple(images.shape)}")
    if images.min() < 0 or images.max() > 1:
        limits = (images.min().item(), images.max().item())
        raise ValueError(f"expected images in [0, 1], got values in {limits}")
    config = CheckConfig() if config is None else config
    psnr_db = tuple(mean_psnr(link, images, snr_db=snr, config=config) for snr in config.snrs_db)
    return CheckReport(
        config=config,
        psnr_db=psnr_db,
        fall_db=falls(psnr_db),
        neighbour_change=measure_neighbours(link, images[:1], config=config),
        loss_db=measure_estimate_loss(link, images, config=config, mismatched=mismatched),
    )


def psnr(received: Tensor, images: Tensor) -> Tensor:
    """Give each image's PSNR over its 8-bit rounded values: (B, C, H, W) -> (B,), dB.

    Equal images give 100 dB.
    """
    rounded = (received.clamp(0, 1) * 255).round() / 255
    reference = (images * 255).round() / 255
    mse = (rounded - reference).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(mse.clamp(min=1e-10))


def falls(psnr_db: tuple[float, ...]) -> tuple[float, ...]:
    """Give how far each value lies below the largest one before it; 0 where it does not."""
    return tuple(max(psnr_db[: i + 1]) - value for i, value in enumerate(psnr_db))


@torch.no_grad()
def run_link(link: Link, images: Tensor, snr_db: Tensor | float, *, seed: int) -> Tensor:
    """Call a link with a seed, restore the global generator, and check the result."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            received = link(images, snr_db)
        except Exception as error:  # a link of a user's may raise anything
            snr = f"({len(snr_db)},)" if isinstance(snr_db, Tensor) else "as one number"
            raise LinkError(
                f"the link raised {describe_error(error)}, called with images "
                f"{tuple(images.shape)} and snr_db {snr}"
            ) from error
    if not isinstance(received, Tensor) or received.shape != images.shape:
        got = tuple(received.shape) if isinstance(received, Tensor) else type(received).__name__
        raise ValueError(f"expected the link to return {tuple(images.shape)}, got {got}")
    if not received.isfinite().all():
        numbers = sorted({round(float(each), 2) for each in torch.as_tensor(snr_db).reshape(-1)})
        at = ", ".join(f"{number:g}" for number in numbers)
        raise ValueError(f"expected finite pixels from the link, got NaN or inf at {at} dB")
    return received


def mean_psnr(link: Link, images: Tensor, *, snr_db: float, config: CheckConfig) -> float:
    """Average the PSNR over images and noise realisations, dB."""
    snr: Tensor | float = snr_db
    if config.per_sample_snr:
        snr = torch.full((images.shape[0],), snr_db, device=images.device)
    seeds = range(config.seed, config.seed + config.repeats)
    runs = [psnr(run_link(link, images, snr, seed=seed), images) for seed in seeds]
    return torch.stack(runs).mean().item()


def measure_neighbours(link: Link, image: Tensor, *, config: CheckConfig) -> float | None:
    """Measure how much an image changes when only the other image of the batch changes.

    The other image is flat grey or noise, at the lowest or (with ``per_sample_snr``) the highest
    SNR, after the image or before it. Batch shape, position and seed stay the same, so the image
    gets the same noise.

    Args:
        link: the link.
        image: (1, C, H, W).
        config: the settings.

    Returns:
        The largest change of a pixel; None if the link gives different results for one seed.
    """
    generator = torch.Generator().manual_seed(config.seed)
    busy = torch.rand(image.shape, generator=generator).to(image)
    grey = torch.full_like(image, 0.5)
    lowest, highest = config.snrs_db[0], config.snrs_db[-1]
    change = 0.0
    for order in ((0, 1), (1, 0)):
        first = receive_with_neighbour(link, image, grey, snr_db=lowest, order=order, config=config)
        again = receive_with_neighbour(link, image, grey, snr_db=lowest, order=order, config=config)
        if (first - again).abs().max() > config.neighbour_tolerance:
            return None
        other = receive_with_neighbour(
            link, image, busy, snr_db=highest, order=order, config=config
        )
        change = max(change, (first - other).abs().max().item())
    return change


def receive_with_neighbour(
    link: Link,
    image: Tensor,
    neighbour: Tensor,
    *,
    snr_db: float,
    order: tuple[int, int],
    config: CheckConfig,
) -> Tensor:
    """Receive an image in a batch of two; the other one is at ``snr_db`` if the link allows it.

    Args:
        link: the link.
        image: (1, C, H, W), sent at the middle one of ``config.snrs_db``.
        neighbour: (1, C, H, W).
        snr_db: the neighbour's SNR, dB.
        order: the positions of the image and of the neighbour in the batch.
        config: the settings.

    Returns:
        (C, H, W), the received image alone.
    """
    own_snr_db = config.snrs_db[len(config.snrs_db) // 2]
    batch = torch.cat([image, neighbour])[list(order)]  # of two positions, so its own inverse
    snrs = torch.tensor([own_snr_db, snr_db], device=image.device)[list(order)]
    given = snrs if config.per_sample_snr else own_snr_db
    return run_link(link, batch, given, seed=config.seed)[order[0]]


def measure_estimate_loss(
    link: Link, images: Tensor, *, config: CheckConfig, mismatched: MismatchedLink | None
) -> tuple[tuple[float, ...], ...] | None:
    """Measure the PSNR lost when the model gets a wrong SNR.

    Returns:
        Rows ``config.estimate_snrs_db``, columns ``config.offsets_db``, dB; None if there is no
        ``mismatched`` and the link draws no Gaussian noise that could be scaled.
    """
    rows = []
    for snr_db in config.estimate_snrs_db:
        right = mean_psnr(link, images, snr_db=snr_db, config=config)
        row = []
        for offset in config.offsets_db:
            if mismatched is not None:
                wrong_link = fix_estimate_offset(mismatched, offset_db=offset)
                wrong = mean_psnr(wrong_link, images, snr_db=snr_db, config=config)
            else:
                with ScaledNoise(10 ** (offset / 20)) as noise:
                    wrong = mean_psnr(link, images, snr_db=snr_db + offset, config=config)
                if noise.draws == 0:
                    return None
            row.append(right - wrong)
        rows.append(tuple(row))
    return tuple(rows)


def fix_estimate_offset(mismatched: MismatchedLink, *, offset_db: float) -> Link:
    """Make a link whose model gets an SNR that is ``offset_db`` too high."""

    def link(images: Tensor, snr_db: Tensor | float) -> Tensor:
        return mismatched(images, snr_db, snr_db + offset_db)

    return link
