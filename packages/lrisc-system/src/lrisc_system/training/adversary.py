"""The adversarial part of the loss: received images shall look like source images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Generator, Tensor, nn

from lrisc_system.training.critic import Critic, View, adversarial_loss, critic_loss
from lrisc_system.training.gradient_balance import balance_gradients

ROI_SHARE = 0.5  # of the adversarial weight inside the region of interest


@dataclass(frozen=True)
class AdversarialTerms:
    """What the critic says of a batch.

    Attributes:
        x_hat: the received images again, (B, 3, H, W); the distortion must be computed from these.
        adversarial: loss of the model that made them, a scalar.
        critic: loss of the critic, a scalar; no gradient reaches the images.
    """

    x_hat: Tensor
    adversarial: Tensor
    critic: Tensor


class Adversary(nn.Module):
    """Trains a critic, and a model against it.

    Inside the region of interest, where the image should be faithful, the adversarial loss counts
    half as much as outside.

    Args:
        weight: norm of the adversarial gradient of the images, relative to that of their
            distortion.
        warmup: steps in which the critic learns alone.
    """

    def __init__(self, *, weight: float, warmup: int) -> None:
        super().__init__()
        self.critic = Critic()
        self.weight, self.warmup = weight, warmup

    def forward(
        self,
        x: Tensor,
        x_hat: Tensor,
        *,
        mask: Tensor,
        step: int | None,
        generator: Generator,
    ) -> AdversarialTerms:
        """Compute both losses.

        Args:
            x: source images, (B, 3, H, W) in [0, 1].
            x_hat: received images, of the same shape.
            mask: smoothed ROI mask M, (B, 1, H, W) in [0, 1].
            step: of the stage; None is after the warm-up.
            generator: of the critic's view, on the CPU.
        """
        view = View.draw(generator)
        learned = critic_loss(
            self.critic(x, x, view=view), self.critic(x_hat.detach(), x, view=view)
        )
        if step is not None and step < self.warmup:
            return AdversarialTerms(x_hat, x_hat.new_zeros(()), learned)
        for_distortion, for_critic = balance_gradients(x_hat, ratio=self.weight)
        with frozen(self.critic):
            logits = self.critic(for_critic, x, view=view)
        weight = 1 - (1 - ROI_SHARE) * mask.detach()
        loss = adversarial_loss(logits, weight=view.cut(weight))
        return AdversarialTerms(for_distortion, loss, learned)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Keep the gradients of what is computed inside away from the module's parameters."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
