"""What a run is made of, built from its settings: processes, data, model."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import nn
from torch.optim import Adam

from lrisc_system.data.photo_cache import CachedPhotos, decoded_bytes, fits
from lrisc_system.data.photos import PhotoCrops, Source, find_masks, list_images, split_validation
from lrisc_system.data.shards import ShardCrops, list_shards
from lrisc_system.devices import find_device
from lrisc_system.training.recipes import Stage
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trackers import check_trackers
from roi_saliency import SaliencyDetector

CPU = torch.device("cpu")


def choose_device(device: torch.device) -> None:
    """Let Accelerate use a device; of several processes on GPUs, each has one of its own already.

    Accelerate reads the environment alone for this, when it starts.

    Raises:
        ValueError: if several processes are asked to share one GPU.
    """
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if not alone and device.type != "cpu" and device.index is not None:
        raise ValueError(f"expected one GPU a process, got {device} for all of them")
    if alone or device.type == "cpu":
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(device)


def start_accelerator(settings: TrainSettings) -> Accelerator:
    """Join the processes of the run, or be the only one.

    Raises:
        ValueError: if the launcher asks for what training does not do.
    """
    check_trackers(settings.log_with)
    if settings.device is not None:
        choose_device(find_device(settings.device))
    accelerator = Accelerator(
        gradient_accumulation_steps=settings.accumulate,
        mixed_precision=settings.mixed_precision,
        log_with=list(settings.log_with) or None,
        project_dir=settings.output / "logs",
    )
    if accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(
            f"expected mixed precision no or bf16, got {accelerator.mixed_precision}: the loss "
            "and the schedule do not fit in fp16"
        )
    if accelerator.gradient_accumulation_steps != settings.accumulate:
        raise ValueError(
            f"expected --accumulate to say how many micro-batches make a step, got "
            f"{accelerator.gradient_accumulation_steps} from the launcher"
        )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise ValueError("expected fsdp_version: 2 in the launcher's configuration, got 1")
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 where autocast leaves float32
    if accelerator.is_fsdp2:
        # Autocast chooses the precision: FSDP's own would round what must stay in float32.
        accelerator.state.fsdp_plugin.mixed_precision_policy = None
    return accelerator


def open_data(
    settings: TrainSettings, *, detector: SaliencyDetector, device: torch.device
) -> tuple[Source, list[Path]]:
    """Find the training crops and the photos held out for validation.

    Args:
        settings: of the run.
        detector: finds the saliency of photos that have no mask.
        device: that trains.

    Raises:
        ValueError: if there are no photos, no shards, or a photo has no mask.
    """
    found = [] if settings.data is None else list_images(settings.data)
    if settings.stream is not None:
        return ShardCrops(list_shards(settings.stream), detector=detector), found
    photos, held_out = split_validation(found)
    if not photos:
        raise ValueError(f"expected photos to train on in {settings.data}, got only held-out ones")
    masks = find_masks(photos, settings.masks) if settings.masks else None
    return cached(PhotoCrops(photos, masks, detector), settings.cache, device), held_out


def cached(photos: PhotoCrops, cache: str, device: torch.device) -> Source:
    """Decode photos once, where there is room for them.

    Args:
        photos: to train on.
        cache: ram, device, none, or auto: whichever of device and ram has room.
        device: that trains.
    """
    places = {"device": [device], "ram": [CPU], "auto": [device, CPU], "none": []}[cache]
    size = decoded_bytes(photos) if cache == "auto" else 0
    for place in places:
        if fits(size, place):
            return CachedPhotos(photos, device=place)
    return photos


def make_optimizer(parameters: Iterable[nn.Parameter], *, lr: float, fused: bool) -> Adam:
    """Make the optimiser of a stage: Adam, in one kernel where parameters lie on one GPU."""
    return Adam(parameters, lr=lr, fused=fused)


def freeze_all_but(stage: Stage, model: nn.Module) -> dict[str, nn.Parameter]:
    """Let gradients reach the parameters of a stage only, and return those.

    The heads of rate 0 are empty; FSDP cannot share out their gradient.
    """
    trained = dict(stage.parameters(model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained and parameter.numel() > 0)
    return trained
