"""What a sampler is."""

from collections.abc import Callable
from typing import Protocol

from torch import Generator, Tensor

Predict = Callable[[Tensor, Tensor], Tensor]
"""`(x_t (B, 3, H, W), t (B,)) -> x_0`, shaped as `x_t`, in [-1, 1]."""

Callback = Callable[[int, int, Tensor], None]
"""`(step, t, x_0)` after each prediction; `step` counts from 0."""


class Sampler(Protocol):
    """Any callable that brings a noisy image to time 0 by predictions of the image.

    `DDIM`, `TruncatedDDIM` and `DiffusersSampler` are samplers; a plain function can be one too. It
    sees the whole image, also where the decoder predicts in tiles, so that noise which it adds has
    no seams. Two attributes are optional:

    - `timesteps(count) -> Tensor`: the times for `count` predictions. Without it, they have equal
      strides (`CosineSchedule.timesteps`).
    - `start_deviation`: deviation of the noise to start from. Without it, one prediction starts
      from zeros (natural images from the config's `realism_deviation`) and several from 0.8; None
      is that of one prediction.
    """

    def __call__(
        self,
        predict: Predict,
        x: Tensor,
        /,
        *,
        timesteps: Tensor,
        generator: Generator | None,
        callback: Callback | None,
    ) -> Tensor:
        """Sample an image.

        Args:
            predict: the network.
            x: the start (B, 3, H, W), of the variance-preserving form
                `sqrt(abar) x_0 + sqrt(1 - abar) noise`. Not to be changed in place.
            timesteps: falling times of the predictions.
            generator: source of any noise that is added, on `x`'s device.
            callback: called after each prediction, if there is one.

        Returns:
            The image, shaped as `x`, in [-1, 1].
        """
        ...
