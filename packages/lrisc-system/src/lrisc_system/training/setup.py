"""What a run is made of, built from its settings: processes, data, model."""

from __future__ import annotations

from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import nn

from lrisc_system.data.photos import PhotoCrops, Source, find_masks, list_images, split_validation
from lrisc_system.data.shards import ShardCrops, list_shards
from lrisc_system.training.recipes import Stage
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trackers import check_trackers
from roi_saliency import SaliencyDetector


def start_accelerator(settings: TrainSettings) -> Accelerator:
    """Join the processes of the run, or be the only one.

    Raises:
        ValueError: if the launcher asks for what training does not do.
    """
    check_trackers(settings.log_with)
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
    if accelerator.is_fsdp2:
        # Autocast chooses the precision: FSDP's own would round what must stay in float32.
        accelerator.state.fsdp_plugin.mixed_precision_policy = None
    return accelerator


def open_data(settings: TrainSettings, *, detector: SaliencyDetector) -> tuple[Source, list[Path]]:
    """Find the training crops and the photos held out for validation.

    Args:
        settings: of the run.
        detector: finds the saliency of photos that have no mask.

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
    return PhotoCrops(photos, masks, detector), held_out


def freeze_all_but(stage: Stage, model: nn.Module) -> dict[str, nn.Parameter]:
    """Let gradients reach the parameters of a stage only, and return those.

    The heads of rate 0 are empty; FSDP cannot share out their gradient.
    """
    trained = dict(stage.parameters(model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained and parameter.numel() > 0)
    return trained
