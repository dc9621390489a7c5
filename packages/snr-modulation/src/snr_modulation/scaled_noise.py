"""Give a link's model one SNR and its channel another, without changing the link."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

STANDARD_DRAWS = (torch.randn, torch.randn_like)


class ScaledNoise(TorchFunctionMode):
    """Multiply the standard deviation of every Gaussian draw by a factor while it is active.

    A link called with ``snr_db + e`` draws noise of standard deviation proportional to
    ``10 ** (-(snr_db + e) / 20)``. Scaled by ``10 ** (e / 20)``, its channel is at ``snr_db``.
    The class intercepts ``torch.randn``, ``randn_like``, ``normal`` and ``Tensor.normal_``. A
    link with other Gaussian draws (a fading coefficient, the start of a diffusion decoder) must
    take the estimate as a separate argument instead.

    Attributes:
        draws: number of scaled draws.
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.draws = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run ``func`` and scale its draw about the mean."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func in STANDARD_DRAWS:
            self.draws += 1
            return out.mul_(self.factor)
        if func is torch.normal:
            self.draws += 1
            return scale_about(out, mean=args[0] if args else kwargs["mean"], factor=self.factor)
        if func is torch.Tensor.normal_:
            self.draws += 1
            mean = args[1] if len(args) > 1 else kwargs.get("mean", 0.0)
            return scale_about(out, mean=mean, factor=self.factor)
        return out


def scale_about(draw: Tensor, *, mean: Tensor | float, factor: float) -> Tensor:
    """Scale the deviation of a draw from its mean, in place."""
    return draw.sub_(mean).mul_(factor).add_(mean)
