"""A saliency network from an ONNX file, such as U2-Net."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from roi_saliency.detectors import check_image

_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_IMAGENET_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)


class ONNXDetector:
    """Run a U2-Net file: resize, divide by the maximum, normalise, run, stretch to [0, 1].

    Needs onnxruntime, the ``onnx`` extra of this package. Both resizings use the Lanczos filter,
    and the image is rounded to 8 bits before the first one, as is usual for this network: on some
    photos its output depends on the filter. It runs on the CPU, image by image, without gradient.

    Source: the preprocessing published with Qin et al., "U2-Net: Going Deeper with Nested
    U-Structure for Salient Object Detection", Pattern Recognition 2020.

    Args:
        path: ONNX file whose first input is (1, 3, S, S), S = 320 unless the file says otherwise,
            and whose first output is a map (1, 1, s, s).

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: The file is missing, is not an ONNX model, or takes another input.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ImportError(
                "ONNXDetector needs onnxruntime: pip install 'roi-saliency[onnx]'"
            ) from error
        path = Path(path)
        if not path.is_file():
            raise ValueError(f"expected an ONNX file, got none at {path}")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a dozen types of its own
            raise ValueError(
                f"expected an ONNX model that onnxruntime can run, got {path}"
            ) from error
        entry = self._session.get_inputs()[0]
        if len(entry.shape) != 4 or entry.shape[1] != 3:
            raise ValueError(f"expected {path} to take (1, 3, S, S), got {entry.shape}")
        self._input_name = entry.name
        height, width = (side if isinstance(side, int) else 320 for side in entry.shape[2:])
        self._size = (width, height)  # as Pillow counts

    def __call__(self, image: Tensor) -> Tensor:
        """Return saliency (B, 1, H, W) in [0, 1] of images (B, 3, H, W) in [0, 1]."""
        check_image(image)
        maps = [self._detect(one) for one in image.detach().float().cpu()]
        return torch.stack(maps).to(image.device)

    def _detect(self, image: Tensor) -> Tensor:
        """(3, H, W) -> (1, H, W)."""
        size = (image.shape[2], image.shape[1])
        levels = (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        small = Image.fromarray(levels).resize(self._size, Image.Resampling.LANCZOS)
        pixels = np.asarray(small, dtype=np.float32)
        pixels = pixels / max(float(pixels.max()), 1.0)
        pixels = (pixels - _IMAGENET_MEAN) / _IMAGENET_DEVIATION  # (S, S, 3)
        outputs = self._session.run(None, {self._input_name: pixels.transpose(2, 0, 1)[None]})
        saliency = outputs[0][0, 0]  # (1, 1, s, s) -> (s, s)
        low, high = float(saliency.min()), float(saliency.max())
        stretched = (saliency - low) / max(high - low, 1e-6)
        full = Image.fromarray(stretched.astype(np.float32)).resize(size, Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(full)).clamp(0, 1)[None]
