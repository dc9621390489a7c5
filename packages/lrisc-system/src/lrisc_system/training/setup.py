"""The parts of a run, made from its settings: processes, data, loss networks, optimiser."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import nn

from lrisc_system.config import STRIDE
from lrisc_system.data.crops import DataPartition, mix_seed
from lrisc_system.data.photo_cache import CachedPhotos, decoded_bytes, fits
from lrisc_system.data.photos import PhotoCrops, Source, find_masks, list_images, split_validation
from lrisc_system.data.shards import ShardCrops, list_shards
from lrisc_system.decoders import takes_realism
from lrisc_system.devices import find_device
from lrisc_system.link import check_snr_db
from lrisc_system.losses import Perceptual, sum_distances
from lrisc_system.metrics.lpips import lpips_network
from lrisc_system.training.recipes import Recipe, Stage
from lrisc_system.training.settings import TrainSettings
from lrisc_system.training.trackers import check_trackers
from roi_saliency import SaliencyDetector

CPU = torch.device("cpu")


def choose_device(device: torch.device) -> None:
    """Make Accelerate use a device. Each of several processes on GPUs has its own already.

    Accelerate takes the device from an environment variable when it starts.

    Raises:
        ValueError: if several processes are asked to share one GPU.
    """
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if not alone and device.type != "cpu" and device.index is not None:
        raise ValueError(f"expected one GPU a process, got {device} for all of them")
    if alone or device.type == "cpu":
        os.environ["ACCELERATE_TORCH_DEVICE"] = str(device)


def start_accelerator(settings: TrainSettings) -> Accelerator:
    """Join the processes of the run.

    Raises:
        ValueError: if the launcher or the settings ask for something that training cannot do.
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
            f"expected {settings.accumulate} micro-batches per step (--accumulate), got "
            f"{accelerator.gradient_accumulation_steps} from the launcher"
        )
    if accelerator.distributed_type == DistributedType.FSDP and not accelerator.is_fsdp2:
        raise ValueError("expected fsdp_version: 2 in the launcher's configuration, got 1")
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 where autocast leaves float32
        torch.backends.cudnn.benchmark = True  # all crops of a stage have one size
    if accelerator.is_fsdp2:
        # Autocast chooses the precision: FSDP's own would round what must stay in float32.
        accelerator.state.fsdp_plugin.mixed_precision_policy = None
    return accelerator


def check_stages(recipe: Recipe, *, parts: int, sharded: bool = False) -> None:
    """Check that the batches of all stages can be split, and that a model takes the crops.

    Args:
        recipe: recipe of the run.
        parts: micro-batches in a step, processes times accumulation.
        sharded: whether FSDP shards the model.

    Raises:
        ValueError: if a batch size is not a multiple of `parts`, a crop is not one of 16 pixels, an
            SNR lies outside the range of links, or a critic would be sharded.
    """
    for stage in recipe.stages:
        if stage.crop % STRIDE:
            raise ValueError(
                f"stage {stage.name}: expected a crop that divides by {STRIDE}, got {stage.crop}"
            )
        if sharded and stage.adversarial_weight > 0:
            raise ValueError(f"stage {stage.name}: a critic cannot be trained under FSDP")
        for snr_db in stage.snr_db:
            check_snr_db(snr_db)
        if stage.batch_size % parts:
            raise ValueError(
                f"expected a batch of {stage.batch_size} (stage {stage.name}) that divides by "
                f"processes times accumulation, got {parts}"
            )


def partition_data(
    stage: Stage,
    accelerator: Accelerator,
    settings: TrainSettings,
    *,
    index: int,
    first_step: int,
    last_step: int | None,
) -> DataPartition:
    """Select the data of a stage that this process reads.

    Args:
        stage: the stage.
        accelerator: joins the processes.
        settings: settings of the run.
        index: index of the stage.
        first_step: first step to take.
        last_step: step to stop before, if it is known.
    """
    parts = accelerator.num_processes * settings.accumulate
    return DataPartition(
        size=stage.crop,
        micro_batch=stage.batch_size // parts,
        parts=parts,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        seed=mix_seed(settings.seed, index),
        first_step=first_step,
        last_step=last_step,
        scale=stage.scale,
    )


def load_loss_networks(
    recipe: Recipe, settings: TrainSettings, *, device: torch.device
) -> Perceptual:
    """Load the LPIPS networks of the loss: two image batches -> sum of their distances, (B,).

    Raises:
        ValueError: if the weights of a network are missing.
    """
    files = {"vgg": settings.vgg}
    networks = [lpips_network(name, files.get(name)).to(device) for name in recipe.perceptual]
    return sum_distances(networks)


@dataclass(frozen=True)
class RunData:
    """The data of a run.

    Args:
        source: training crops.
        held_out: validation photos.
        held_out_masks: their saliency maps, if there are masks.
    """

    source: Source
    held_out: list[Path]
    held_out_masks: list[Path] | None

    def first(self, count: int) -> RunData:
        """Keep the first validation photos only."""
        masks = self.held_out_masks
        return RunData(self.source, self.held_out[:count], masks and masks[:count])


def open_data(settings: TrainSettings, *, detector: SaliencyDetector) -> RunData:
    """List the training photos, and those held out for validation; no photo is read yet.

    Args:
        settings: settings of the run.
        detector: makes the saliency maps of photos that have no mask.

    Raises:
        ValueError: if there are no photos, no shards, a photo has no mask, or too many photos
            cannot be read.
    """
    found, masks = list_photos(settings)
    if settings.stream is not None:
        shards = ShardCrops(
            list_shards(settings.stream),
            detector=detector,
            max_pixels=settings.max_pixels,
            max_bad_share=settings.max_bad_share,
        )
        return RunData(shards, found, [masks[photo] for photo in found] if masks else None)
    photos, held_out = split_validation(found)
    if not photos:
        raise ValueError(f"expected photos to train on in {settings.data}, got only held-out ones")
    own, other = (
        [masks[photo] for photo in part] if masks else None for part in (photos, held_out)
    )
    crops = PhotoCrops(
        photos,
        own,
        detector,
        max_pixels=settings.max_pixels,
        max_bad_share=settings.max_bad_share,
    )
    return RunData(crops, held_out, other)


def list_photos(settings: TrainSettings) -> tuple[list[Path], dict[Path, Path]]:
    """List the photos in the folder of the settings, and the mask of each if there are masks.

    Masks and results that lie in the folder of the photos are none of them.

    Raises:
        ValueError: if the folder holds no image, is the output folder, or a photo has no mask.
    """
    if settings.data is None:
        return [], {}
    if settings.data.resolve() == settings.output.resolve():
        raise ValueError(
            f"expected another folder for the output than for photos, got {settings.data}"
        )
    others = [settings.output, *([] if settings.masks is None else [settings.masks])]
    found = list_images(settings.data, without=others)
    if settings.masks is None:
        return found, {}
    masks = find_masks(found, settings.masks, root=settings.data)
    return found, dict(zip(found, masks, strict=True))


def cache_photos(photos: Source, cache: str, device: torch.device) -> Source:
    """Decode photos once into a cache, if there is one.

    Args:
        photos: photos to train on; shards are never cached.
        cache: where to keep them: ram, device, none, or auto, the first of device and ram that has
            enough free memory.
        device: device that trains.
    """
    if not isinstance(photos, PhotoCrops):
        return photos
    candidates = {"device": [device], "ram": [CPU], "auto": [device, CPU], "none": []}[cache]
    size = decoded_bytes(photos) if cache == "auto" else 0
    for candidate in candidates:
        if fits(size, candidate):
            return CachedPhotos(photos, device=candidate)
    return photos


def split_off_realism(recipe: Recipe, model: nn.Module) -> tuple[Recipe, list[str]]:
    """Leave out the stages of a preset that train for realism, if the image decoder takes none.

    Args:
        recipe: of a preset.
        model: to be trained.

    Returns:
        The recipe, and the names of the stages that were left out.
    """
    if takes_realism(getattr(model, "decoder", None)):
        return recipe, []
    kept = tuple(stage for stage in recipe.stages if not stage.realism)
    left_out = [stage.name for stage in recipe.stages if stage.realism]
    return (replace(recipe, stages=kept), left_out) if kept else (recipe, [])


def check_parts(recipe: Recipe, settings: TrainSettings, model: nn.Module) -> None:
    """Check that every stage trains something, and that the user named parts that the model has.

    The recipes of presets may name parts that a model of one's own lacks.

    Raises:
        ValueError: naming the stage or the option, and the part.
    """
    parts = sorted(name for name, _ in model.named_children())
    known = [name for name, _ in [*model.named_modules(), *model.named_parameters()]]
    named = [("--only", prefix) for prefix in settings.only]
    if settings.recipe is not None:
        named += [
            (f"stage {stage.name}", prefix)
            for stage in recipe.stages
            for prefix in (*stage.trainable, *stage.frozen)
        ]
    for place, prefix in named:
        if not any(name.startswith(prefix) for name in known):
            raise ValueError(f"{place}: expected parts that the model has, {parts}, got {prefix!r}")
    for stage in recipe.stages:
        if not any(stage.parameters(model)):
            raise ValueError(f"stage {stage.name}: expected parts with parameters, got none")


def freeze_all_but(stage: Stage, model: nn.Module) -> dict[str, nn.Parameter]:
    """Turn gradients on for the parameters of a stage only, and return these.

    The heads of rate 0 are empty, and FSDP cannot shard their gradients: they get none.
    """
    trained = dict(stage.parameters(model))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained and parameter.numel() > 0)
    return trained
