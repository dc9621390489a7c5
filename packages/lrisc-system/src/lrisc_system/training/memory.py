"""An estimate of the memory that training takes, for `lrisc plan`.

Parameters, gradients, Adam's moments and the moving average are counted from the model. Activations
are measured: a forward pass of the stage's loss runs on this machine for one image, and all tensors
that autograd saves for the backward pass are counted. Passes with one and with two small crops
separate the part that does not depend on the batch size, so the estimate holds for any batch size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn

from lrisc_system.data.photos import Samples
from lrisc_system.metrics.quality import lpips_network
from lrisc_system.parts import modules_with
from lrisc_system.training.recipes import find_preset
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.setup import freeze_all_but, split_off_realism
from lrisc_system.training.trainable import TrainableModel

CPU = torch.device("cpu")
PROBE = 64  # side of the small crops in pixels


@dataclass(frozen=True)
class Activations:
    """Memory of the tensors saved for the backward pass, in bytes.

    Args:
        whole: without gradient checkpointing.
        recomputed: with gradient checkpointing: the tensors outside of the recomputed modules, the
            inputs of these modules, and the tensors inside the largest one, which exist while it
            is computed again.
    """

    whole: int
    recomputed: int


@dataclass(frozen=True)
class Plan:
    """Memory of a training step in bytes, without the workspaces of the kernels.

    Args:
        parameters: parameters of the model, in float32.
        gradients: gradients of the trained parameters.
        adam: the two moments of each trained parameter.
        average: moving average of the parameters.
        frozen: the perceptual network of the loss.
        fixed: activations that do not depend on the batch size.
        image: activations of each image.
    """

    parameters: int
    gradients: int
    adam: int
    average: int
    frozen: int
    fixed: Activations
    image: Activations

    def state(self) -> int:
        """Sum the memory of everything but the activations."""
        return self.parameters + self.gradients + self.adam + self.average + self.frozen

    def activations(self, batch_size: int) -> Activations:
        """Return the activations of a batch."""
        return Activations(
            self.fixed.whole + batch_size * self.image.whole,
            self.fixed.recomputed + batch_size * self.image.recomputed,
        )


class SavedTensors:
    """Counts the bytes of the tensors that autograd saves, each storage once.

    Args:
        model: model whose forward pass is measured.
        known: tensors that do not count: parameters and buffers.
    """

    def __init__(self, model: nn.Module, *, known: Sequence[Tensor]) -> None:
        self.model = model
        self.known = {tensor.untyped_storage().data_ptr() for tensor in known}
        self.inside: list[nn.Module] = []
        self.kept: list[Tensor] = []  # held, so that their addresses are not used again
        self.outer: dict[int, int] = {}
        self.inner: dict[nn.Module, dict[int, int]] = {}

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count the tensors that forward passes in this context save."""
        units = [
            unit
            for module in modules_with(self.model, "recomputed_modules")
            for unit in module.recomputed_modules()
        ]
        hooks = [unit.register_forward_pre_hook(self._enter) for unit in units]
        hooks += [unit.register_forward_hook(self._leave) for unit in units]
        try:
            with torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def activations(self) -> Activations:
        """Sum the saved tensors."""
        everything = self.outer | {
            pointer: size for unit in self.inner.values() for pointer, size in unit.items()
        }
        inputs = sum(self.outer.values())
        largest = max((sum(unit.values()) for unit in self.inner.values()), default=0)
        return Activations(sum(everything.values()), inputs + largest)

    def _enter(self, unit: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        for tensor in inputs:  # checkpointing keeps them
            self._count(tensor, self.outer)
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


def plan(
    settings: TrainSettings,
    *,
    trainable: TrainableModel[Any],
    bf16: bool = False,
    model: nn.Module | None = None,
    device: torch.device = CPU,
) -> Plan:
    """Estimate the memory of a step in the last stage of a preset that trains the most parameters.

    Args:
        settings: settings that name the preset.
        trainable: kind of model.
        bf16: compute in mixed precision.
        model: model to train; by default a new one of the preset.
        device: device to measure on.
    """
    model = (trainable.make(settings) if model is None else model).to(device)
    known = find_preset(settings.preset, trainable.recipes())
    recipe = replace(split_off_realism(known, model)[0], magnification=1)
    stage = max(
        reversed(recipe.stages),
        key=lambda each: count_bytes(parameter for _, parameter in each.parameters(model)),
    )
    perceptual = lpips_network("alex").to(device)
    trained = freeze_all_but(stage, model)
    objective = trainable.objective(model, stage=stage, recipe=recipe, perceptual=perceptual)
    objective.train()

    def measure(batch: int, crop: int) -> Activations:
        saved = SavedTensors(
            objective, known=[*model.state_dict().values(), *perceptual.state_dict().values()]
        )
        image = torch.rand(batch, 3, crop, crop, generator=Generator().manual_seed(0))
        samples = Samples(image=image, saliency=image[:, :1].clone()).to(device)
        with saved.watch(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
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
    """Sum the sizes of tensors in bytes."""
    return sum(tensor.nbytes for tensor in tensors)
