"""How much memory training takes, before a GPU is rented: `lrisc plan`.

Parameters, gradients, Adam and the average are counted from the model. Activations are measured: a
forward pass of the stage's objective runs on this machine for one image, and every tensor that
autograd keeps for the backward pass is counted. What does not depend on the batch is the rest
when small crops are measured one and two at a time; so any batch size follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Generator, Tensor, nn

from cond_diffusion.unet import Unit
from lrisc_system.data.photos import Samples
from lrisc_system.metrics.quality import lpips_network
from lrisc_system.training.recipes import Recipe
from lrisc_system.training.setup import freeze_all_but
from lrisc_system.training.trainable import Family

GIB = 2**30
PROBE = 64  # side of the small crops


@dataclass(frozen=True)
class Activations:
    """What the backward pass keeps, in bytes.

    Args:
        whole: everything.
        recomputed: with gradient checkpointing: what lies outside of the U-Net's units, their
            inputs, and the inside of the largest, which exists while it is computed again.
    """

    whole: int
    recomputed: int


@dataclass(frozen=True)
class Plan:
    """What a training step holds in memory, in bytes; workspaces of the kernels come on top.

    Args:
        parameters: of the model, float32.
        gradients: as many as trained parameters.
        adam: two moments of each.
        average: of the model, for the weights that are kept.
        frozen: the perceptual network of the loss.
        fixed: activations that do not depend on the batch.
        image: activations per image.
    """

    parameters: int
    gradients: int
    adam: int
    average: int
    frozen: int
    fixed: Activations
    image: Activations

    def state(self) -> int:
        """Add up what does not depend on the batch size, activations apart."""
        return self.parameters + self.gradients + self.adam + self.average + self.frozen

    def activations(self, batch_size: int) -> Activations:
        """Extend what one image takes to a batch."""
        return Activations(
            self.fixed.whole + batch_size * self.image.whole,
            self.fixed.recomputed + batch_size * self.image.recomputed,
        )


class SavedTensors:
    """Counts the bytes that autograd keeps, each storage once; parameters do not count.

    Args:
        model: whose forward pass is watched.
        known: tensors that are there anyway.
    """

    def __init__(self, model: nn.Module, *, known: Sequence[Tensor]) -> None:
        self.model = model
        self.known = {tensor.untyped_storage().data_ptr() for tensor in known}
        self.inside: list[Unit] = []
        self.kept: list[Tensor] = []  # held, lest their memory be used again
        self.outer: dict[int, int] = {}
        self.inner: dict[Unit, dict[int, int]] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count what the passes inside keep."""
        units = [module for module in self.model.modules() if isinstance(module, Unit)]
        hooks = [unit.register_forward_pre_hook(self._enter) for unit in units]
        hooks += [unit.register_forward_hook(self._leave) for unit in units]
        try:
            with torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def activations(self) -> Activations:
        """Add up what was kept."""
        everything = self.outer | {
            pointer: size for unit in self.inner.values() for pointer, size in unit.items()
        }
        inputs = sum(self.outer.values())
        largest = max((sum(unit.values()) for unit in self.inner.values()), default=0)
        return Activations(sum(everything.values()), inputs + largest)

    def _enter(self, unit: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        for tensor in inputs:  # checkpointing keeps them
            self._count(tensor, self.outer)
        assert isinstance(unit, Unit)
        self.inside.append(unit)

    def _leave(self, unit: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.inside.pop()

    def _keep(self, tensor: Tensor) -> Tensor:
        within = self.inner.setdefault(self.inside[-1], {}) if self.inside else self.outer
        self._count(tensor, within)
        return tensor

    def _count(self, tensor: Tensor, within: dict[int, int]) -> None:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self.known:
            within[storage.data_ptr()] = storage.nbytes()
            self.kept.append(tensor)


def plan(family: Family[Any], model: nn.Module, recipe: Recipe, *, bf16: bool = False) -> Plan:
    """Count and measure what a step of a recipe's last stage, which trains everything, holds.

    Args:
        family: the kind of the model.
        model: to train.
        recipe: its last stage says what is trained, at which crop.
        bf16: compute in mixed precision.
    """
    stage, perceptual = recipe.stages[-1], lpips_network("alex")
    trained = freeze_all_but(stage, model)
    objective = family.objective(model, stage=stage, recipe=recipe, perceptual=perceptual).train()

    def measure(batch: int, crop: int) -> Activations:
        saved = SavedTensors(
            objective, known=[*model.state_dict().values(), *perceptual.state_dict().values()]
        )
        image = torch.rand(batch, 3, crop, crop, generator=Generator().manual_seed(0))
        samples = Samples(image=image, saliency=image[:, :1].clone())
        with saved.watch(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            objective(samples, seed=0)
        return saved.activations()

    one, two, image = measure(1, PROBE), measure(2, PROBE), measure(1, stage.crop)
    fixed = Activations(2 * one.whole - two.whole, 2 * one.recomputed - two.recomputed)
    return Plan(
        parameters=count_bytes(model.parameters()),
        gradients=count_bytes(trained.values()),
        adam=2 * count_bytes(trained.values()),
        average=count_bytes(model.parameters()),
        frozen=count_bytes(perceptual.parameters()),
        fixed=fixed,
        image=Activations(image.whole - fixed.whole, image.recomputed - fixed.recomputed),
    )


def count_bytes(tensors: Iterable[Tensor]) -> int:
    """Add up the sizes of tensors."""
    return sum(tensor.nbytes for tensor in tensors)


def state_line(plan: Plan) -> str:
    """Name what a process holds whatever the batch size, in GiB."""
    parts = {
        "parameters": plan.parameters,
        "gradients": plan.gradients,
        "Adam": plan.adam,
        "average": plan.average,
        "LPIPS": plan.frozen,
    }
    listed = ", ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items())
    return f"{listed}: {plan.state() / GIB:.2f} GiB at any batch size"


def plan_table(plan: Plan, batch_sizes: Sequence[int], *, title: str) -> Table:
    """Lay a plan out: a row per batch size, in GiB."""
    table = Table(title=title)
    for column in ("batch size", "activations", "total", "recomputing", "total"):
        table.add_column(column, justify="right")
    for batch_size in batch_sizes:
        kept = plan.activations(batch_size)
        sizes = (
            size for part in (kept.whole, kept.recomputed) for size in (part, plan.state() + part)
        )
        table.add_row(str(batch_size), *(f"{size / GIB:.2f}" for size in sizes))
    return table


def print_plan(
    family: Family[Any],
    model: nn.Module,
    recipe: Recipe,
    *,
    title: str,
    batch_size: int,
    bf16: bool,
    console: Console,
) -> None:
    """Print what training a model in the last stage of a recipe takes.

    Args:
        family: the kind of the model.
        model: to train.
        recipe: of its training.
        title: what the table calls the model.
        batch_size: the largest row; smaller ones stand above it.
        bf16: compute in mixed precision.
        console: to print on.

    Raises:
        ValueError: for a batch size below 1.
    """
    if batch_size < 1:
        raise ValueError(f"expected a batch size of at least 1, got {batch_size}")
    sizes = sorted({max(1, batch_size // part) for part in (16, 8, 4, 2, 1)})
    precision = "bf16" if bf16 else "float32"
    made, crop = plan(family, model, recipe, bf16=bf16), recipe.stages[-1].crop
    title = f"{title}, {crop} x {crop}, {precision}: GiB per process"
    console.print(plan_table(made, sizes, title=title))
    console.print(state_line(made))
    console.print("recomputing: with --checkpoint-gradients. Workspaces of kernels come on top.")
