"""Schedulers of the library `diffusers` as samplers."""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from cond_diffusion.samplers.protocol import Callback, Predict
from cond_diffusion.schedule import CosineSchedule

PREDICTION_TYPES = ("sample", "epsilon", "v_prediction")


@dataclass(frozen=True)
class DiffusersSampler:
    """A scheduler of `diffusers`, with the noise schedule of the model in place of its own.

    The class and the settings of the scheduler are kept, its betas are replaced, and the object
    itself is not changed. Its times are those that it chooses for a number of steps, or, if it
    takes such, those of the caller. They may not be whole numbers; the network gets the nearest.

    The package does not import `diffusers`: whoever passes a scheduler has it.

    Attributes:
        schedule: the noise schedule that the network was trained with.
        scheduler: for noise schedules of betas, such as `DPMSolverMultistepScheduler`. Its
            `prediction_type` is `sample`, `v_prediction` or `epsilon`; the prediction of the image
            is converted. `epsilon` loses accuracy where there is almost only noise.

    Raises:
        ValueError: if the scheduler cannot work with this noise schedule or prediction type.
    """

    schedule: CosineSchedule
    scheduler: Any

    def __post_init__(self) -> None:
        name = type(self.scheduler).__name__
        needed = ("config", "from_config", "alphas_cumprod", "scale_model_input", "step")
        missing = [attribute for attribute in needed if not hasattr(self.scheduler, attribute)]
        if missing:
            raise ValueError(
                f"expected a scheduler of diffusers for betas, got {name} without {missing[0]}"
            )
        kind = self.scheduler.config.prediction_type
        if kind not in PREDICTION_TYPES:
            raise ValueError(f"expected a prediction_type of {PREDICTION_TYPES}, got {kind!r}")
        theirs = self._build().alphas_cumprod.cpu()
        ours = self.schedule.alpha_bar.cpu()
        if theirs.shape != ours.shape or not torch.allclose(theirs, ours, atol=1e-3):
            raise ValueError(f"expected a scheduler that takes trained_betas, got {name}")

    def timesteps(self, count: int) -> Tensor:
        """List the times that the scheduler chooses for `count` steps.

        Schedulers of higher order, such as `HeunDiscreteScheduler`, predict more than once a step.

        Raises:
            ValueError: if `count` is below 1.
        """
        if count < 1:
            raise ValueError(f"expected a step count of at least 1, got {count}")
        scheduler = self._build()
        scheduler.set_timesteps(count, device=self.schedule.beta.device)
        return scheduler.timesteps

    def __call__(
        self,
        predict: Predict,
        x: Tensor,
        /,
        *,
        timesteps: Tensor,
        generator: Generator | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """Sample an image; see `Sampler`.

        Raises:
            ValueError: if the scheduler does not take these times or its prediction type.
        """
        scheduler = self._build()
        set_times(scheduler, timesteps)
        takes_generator = "generator" in inspect.signature(scheduler.step).parameters
        noise = {"generator": generator} if takes_generator else {}
        # Some schedulers scale x_t by sqrt(1 + sigma^2), and undo that for the network.
        scale = scheduler.scale_model_input(torch.ones_like(x[:1, :1, :1, :1]), timesteps[0])
        sample = x / scale
        for step, t in enumerate(scheduler.timesteps):
            x_t = scheduler.scale_model_input(sample, t)
            whole = t.round().long()
            x_0 = predict(x_t, whole.expand(len(x_t)))
            if callback is not None:
                callback(step, int(whole), x_0)
            output = _model_output(scheduler, step, t, x_t=x_t, x_0=x_0)
            try:
                sample = scheduler.step(output, t, sample, **noise, return_dict=False)[0]
            except NotImplementedError:
                raise ValueError(
                    f"expected another prediction_type for {type(scheduler).__name__}, such as "
                    f"'v_prediction', got {scheduler.config.prediction_type!r}"
                ) from None
        return sample

    def _build(self) -> Any:
        """Build the scheduler anew with the betas of the model."""
        return self.scheduler.from_config(
            self.scheduler.config,
            num_train_timesteps=self.schedule.steps,
            trained_betas=self.schedule.beta.tolist(),
        )


def set_times(scheduler: Any, timesteps: Tensor) -> None:
    """Make a scheduler use these times: its own for a number of steps, or any if it takes them.

    Raises:
        ValueError: if it takes only its own.
    """
    # Schedulers of higher order list more times than steps.
    for count in range(len(timesteps), 0, -1):
        scheduler.set_timesteps(count, device=timesteps.device)
        if torch.equal(scheduler.timesteps.to(timesteps), timesteps):
            return
    if "timesteps" not in inspect.signature(scheduler.set_timesteps).parameters:
        raise ValueError(
            f"expected the times that {type(scheduler).__name__} chooses for a number of steps, "
            f"got {timesteps.tolist()}"
        )
    scheduler.set_timesteps(timesteps=timesteps.tolist(), device=timesteps.device)


def _model_output(scheduler: Any, step: int, t: Tensor, *, x_t: Tensor, x_0: Tensor) -> Tensor:
    """Convert a prediction of the image to what the scheduler expects of its network."""
    kind = scheduler.config.prediction_type
    if kind == "sample":
        return x_0
    if hasattr(scheduler, "sigmas"):
        alpha_bar = 1 / (1 + scheduler.sigmas[step].double() ** 2)
    else:
        alpha_bar = scheduler.alphas_cumprod[t.round().long().cpu()].double()
    signal, noise = float(alpha_bar.sqrt()), float((1 - alpha_bar).sqrt())
    if kind == "epsilon":
        return (x_t - signal * x_0) / noise
    return (signal * x_t - x_0) / noise  # v = signal * epsilon - noise * x_0
