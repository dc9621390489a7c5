"""The images of an evaluation, each with its saliency map and its mask."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lrisc_system.config import STRIDE
from lrisc_system.data.images import ImageError, load_image, load_mask, read_size
from lrisc_system.data.photos import find_masks, list_images
from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks
from lrisc_system.limits import MAX_PIXELS
from lrisc_system.training.validation import centre_crop
from roi_saliency import BarrierDetector, SmoothMask


@dataclass(frozen=True)
class EvaluationImages:
    """The image files of an evaluation.

    Args:
        photos: image files.
        masks: their saliency maps; detected when absent.
        crop: side in pixels of the centre crop that is sent; None for whole images.
        max_pixels: largest image to decode.
    """

    photos: list[Path]
    masks: list[Path] | None
    crop: int | None
    max_pixels: int = MAX_PIXELS

    @classmethod
    def open(
        cls,
        data: Path,
        masks: Path | None,
        *,
        crop: int | None,
        out: Path | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> EvaluationImages:
        """List the images of a folder, and their masks.

        Args:
            data: folder of the images.
            masks: folder of their saliency maps.
            crop: side of the centre crop.
            out: folder of the results, which are no images to evaluate if it lies in `data`.
            max_pixels: largest image to decode.

        Raises:
            ValueError: no image, two of one name, or a mask is missing.
        """
        photos = list_images(data, without=[folder for folder in (out, masks) if folder])
        seen: dict[str, Path] = {}
        for path in photos:
            if path.stem in seen:
                raise ValueError(
                    f"expected images of different names, got {seen[path.stem]} and {path}"
                )
            seen[path.stem] = path
        found = None if masks is None else find_masks(photos, masks, root=data)
        return cls(photos, found, crop, max_pixels)

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [_name(path) for path in self.photos]

    def find_unreadable(self, indices: Iterable[int]) -> dict[int, str]:
        """Decode images and their masks: the errors of those that cannot be read, by index."""
        errors = {}
        for index in indices:
            try:
                self._read(index)
            except ImageError as error:
                errors[index] = str(error)
        return errors

    def without(self, indices: Collection[int]) -> EvaluationImages:
        """Leave images out."""
        kept = [index for index in range(len(self.photos)) if index not in indices]
        masks = None if self.masks is None else [self.masks[index] for index in kept]
        return replace(self, photos=[self.photos[index] for index in kept], masks=masks)

    def padded(self) -> bool:
        """Whether a link that pads sides to multiples of 16 sends more than some image."""
        for path in self.photos:
            size = read_size(path, max_pixels=self.max_pixels)
            sides = size if self.crop is None else (self.crop, self.crop)
            if any(side % STRIDE for side in sides):
                return True
        return False

    @torch.no_grad()
    def load(
        self, index: int, *, networks: MetricNetworks, device: torch.device
    ) -> EvaluationImage:
        """Load an image, its saliency map and its mask.

        The mask is Eq. (1) with its starting values, so that it is the same for every model.

        Args:
            index: of the image.
            networks: of the metrics.
            device: to load it to.

        Raises:
            ImageError: if the image or its saliency map cannot be read.
        """
        image, saliency = self._read(index)
        if self.crop is not None:
            image, saliency = (centre_crop(x, size=self.crop) for x in (image, saliency))
        mask = SmoothMask()(saliency)
        image, saliency, mask = (tensor.to(device) for tensor in (image, saliency, mask))
        return EvaluationImage(_name(self.photos[index]), image, saliency, mask, networks=networks)

    def _read(self, index: int) -> tuple[Tensor, Tensor]:
        """Read an image (1, 3, H, W) and its saliency map (1, 1, H, W), whole."""
        image = load_image(self.photos[index], max_pixels=self.max_pixels)
        if self.masks is None:
            return image, BarrierDetector()(image)
        size = (image.shape[-2], image.shape[-1])
        return image, load_mask(self.masks[index], size, max_pixels=self.max_pixels)


def _name(path: Path) -> str:
    """Name an image by its stem, in characters that any file can hold."""
    return path.stem.encode("utf-8", "backslashreplace").decode()
