"""The images of an evaluation, each with its saliency map and its mask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from lrisc_system.config import STRIDE
from lrisc_system.data.images import load_image, load_mask
from lrisc_system.data.photos import find_masks, list_images
from lrisc_system.evaluation.measure import EvaluationImage, MetricNetworks
from lrisc_system.training.validation import centre_crop
from roi_saliency import BarrierDetector, SmoothMask


@dataclass(frozen=True)
class EvaluationImages:
    """The image files of an evaluation.

    Args:
        photos: image files.
        masks: their saliency maps; detected when absent.
        crop: side in pixels of the centre crop that is sent; None for whole images.
    """

    photos: list[Path]
    masks: list[Path] | None
    crop: int | None

    @classmethod
    def open(cls, data: Path, masks: Path | None, *, crop: int | None) -> EvaluationImages:
        """List the images of a folder, and their masks.

        Raises:
            ValueError: no image, two of one name, or a mask is missing.
        """
        photos = list_images(data)
        seen: dict[str, Path] = {}
        for path in photos:
            if path.stem in seen:
                raise ValueError(
                    f"expected images of different names, got {seen[path.stem]} and {path}"
                )
            seen[path.stem] = path
        return cls(photos, None if masks is None else find_masks(photos, masks), crop)

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [path.stem for path in self.photos]

    def padded(self) -> bool:
        """Whether a link that pads sides to multiples of 16 sends more than some image."""
        for path in self.photos:
            with Image.open(path) as photo:
                sides = photo.size if self.crop is None else (self.crop, self.crop)
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
        """
        image = load_image(self.photos[index])
        if self.masks is None:
            saliency = BarrierDetector()(image)
        else:
            saliency = load_mask(self.masks[index], (image.shape[-2], image.shape[-1]))
        if self.crop is not None:
            image, saliency = (centre_crop(x, size=self.crop) for x in (image, saliency))
        mask = SmoothMask()(saliency)
        image, saliency, mask = (tensor.to(device) for tensor in (image, saliency, mask))
        return EvaluationImage(self.photos[index].stem, image, saliency, mask, networks=networks)
