"""What `DiffusionDecoder.decode` does with its arguments: times, start, sampling, checks."""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from cond_diffusion.condition import LATENT_STRIDE
from cond_diffusion.samplers import DDIM, Callback, Sampler
from cond_diffusion.schedule import CosineSchedule, check_falling
from cond_diffusion.tiled import TiledPredictor

START_DEVIATION = 0.8  # of the noise that several-step decoding starts from [CDC]


def sample_image(
    predictor: TiledPredictor,
    schedule: CosineSchedule,
    *,
    default_steps: int,
    generator: Generator | None,
    steps: int | None,
    sampler: Sampler | None,
    timesteps: Sequence[int] | Tensor | None,
    sigmas: Sequence[float] | Tensor | None,
    start: float | Tensor | None,
    one_step_deviation: float,
    eta: float,
    callback: Callback | None,
) -> Tensor:
    """Sample an image (B, 3, H, W) on the scale of [0, 1]; see `DiffusionDecoder.decode`."""
    device = predictor.y_hat.device
    check_generator(generator, device=device)
    ddim = DDIM(schedule, eta=eta)
    if sampler is not None and eta > 0:
        raise ValueError(f"expected a sampler or eta, got both, eta = {eta}")
    times = choose_timesteps(
        schedule,
        sampler=sampler,
        steps=steps,
        timesteps=timesteps,
        sigmas=sigmas,
        default_steps=default_steps,
    )
    x = make_start(
        start,
        shape=predictor.shape,
        sampler=sampler,
        predictions=len(times),
        one_step_deviation=one_step_deviation,
        generator=generator,
        device=device,
    )
    if sampler is None and len(times) == 1:  # the least memory, as nothing is kept
        image = predictor.predict_image(x, times.expand(len(x)))
        if callback is not None:
            callback(0, int(times), 2 * image - 1)
        return image
    run = ddim if sampler is None else sampler
    x_0 = run(predictor, x, timesteps=times, generator=generator, callback=callback)
    if x_0.shape != x.shape:
        raise ValueError(f"expected a sampler to return {tuple(x.shape)}, got {tuple(x_0.shape)}")
    if not bool(x_0.isfinite().all()):
        raise ValueError("expected a sampler to return finite numbers, got NaN or infinity")
    return (x_0 + 1) / 2


def check_generator(generator: Generator | None, *, device: torch.device) -> None:
    """Raise a ValueError if a generator is on another device."""
    if generator is None:
        return
    one, other = generator.device, device
    indices = {index for index in (one.index, other.index) if index is not None}
    if one.type != other.type or len(indices) > 1:
        raise ValueError(f"expected a generator on {device}, got one on {generator.device}")


def choose_timesteps(
    schedule: CosineSchedule,
    *,
    sampler: Sampler | None,
    steps: int | None,
    timesteps: Sequence[int] | Tensor | None,
    sigmas: Sequence[float] | Tensor | None,
    default_steps: int,
) -> Tensor:
    """Return the times of the predictions from the one of three that is given.

    Raises:
        ValueError: if more than one is given, or values do not fall or are outside the schedule.
    """
    values = {"steps": steps, "timesteps": timesteps, "sigmas": sigmas}
    given = [name for name, value in values.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"expected one of steps, timesteps and sigmas, got {' and '.join(given)}")
    if sigmas is not None:
        times = schedule.nearest_timesteps(torch.as_tensor(sigmas, dtype=torch.float32))
    elif timesteps is not None:
        times = torch.as_tensor(timesteps, device=schedule.beta.device)
        if times.is_floating_point() and len(times) > 0:
            raise ValueError(f"expected whole timesteps, got {times.dtype}")
        check_falling(times, low=0, high=schedule.steps - 1, name="timesteps")
    else:
        count = default_steps if steps is None else steps
        return getattr(sampler, "timesteps", schedule.timesteps)(count)
    if len(times) == 0:
        raise ValueError(f"expected at least one of {given[0]}, got none")
    return times


def make_start(
    start: float | Tensor | None,
    *,
    shape: tuple[int, ...],
    sampler: Sampler | None,
    predictions: int,
    one_step_deviation: float,
    generator: Generator | None,
    device: torch.device,
) -> Tensor:
    """Make the start (B, 3, H, W); see `DiffusionDecoder.decode`.

    Raises:
        ValueError: if a tensor has another shape or is not finite, or a deviation is negative.
    """
    if isinstance(start, Tensor):
        if start.shape != shape:
            raise ValueError(f"expected start {shape}, got {tuple(start.shape)}")
        if not bool(start.isfinite().all()):
            raise ValueError("expected a start of finite numbers, got NaN or infinity")
        return start
    if start is None:
        default = one_step_deviation if predictions == 1 else START_DEVIATION
        start = getattr(sampler, "start_deviation", default)
        start = one_step_deviation if start is None else start
    if not 0 <= start < math.inf:
        raise ValueError(f"expected a deviation of the start of at least 0, got {start}")
    if start == 0:
        return torch.zeros(1, device=device).expand(shape)  # takes no memory
    return start * torch.randn(shape, generator=generator, device=device)


def crop_latent(y_hat: Tensor, *, image_size: tuple[int, int]) -> Tensor:
    """Crop y_hat (B, C, h, w) to what an image (H, W) needs.

    Raises:
        ValueError: if it does not cover the image.
    """
    height, width = image_size
    rows, columns = -(-height // LATENT_STRIDE), -(-width // LATENT_STRIDE)
    if not (0 < rows <= y_hat.shape[2] and 0 < columns <= y_hat.shape[3]):
        raise ValueError(
            f"expected an image_size from 1 x 1 to what y_hat {tuple(y_hat.shape)} covers, "
            f"got {height} x {width}"
        )
    return y_hat[:, :, :rows, :columns]
