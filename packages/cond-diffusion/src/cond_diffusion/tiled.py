"""Prediction of a whole image in tiles."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from cond_diffusion.condition import LATENT_STRIDE
from cond_diffusion.tiles import blend_tiles


class PredictTile(Protocol):
    """`X_theta` of one tile, as `DiffusionDecoder.predict`."""

    def __call__(self, x_t: Tensor, t: Tensor, y_hat: Tensor, *, base: Tensor) -> Tensor:
        """Predict x_0, shaped as `x_t`."""
        ...


class TiledPredictor:
    """Predict a whole image tile by tile: `(x_t, t) -> x_0`, clipped to [-1, 1].

    Args:
        predict: the network on one tile.
        base: `y_hat -> first guess` of one tile, on the scale of [-1, 1].
        y_hat: latent (B, C, h, w) of the image.
        tile_size, tile_overlap: in pixels.
    """

    def __init__(
        self,
        predict: PredictTile,
        *,
        base: Callable[[Tensor], Tensor],
        y_hat: Tensor,
        tile_size: int,
        tile_overlap: int,
    ):
        self.predict, self.base, self.y_hat = predict, base, y_hat
        self.tile_size, self.tile_overlap = tile_size, tile_overlap
        self.shape = (len(y_hat), 3, *(LATENT_STRIDE * side for side in y_hat.shape[2:]))
        self.base_images: dict[tuple[int, int], Tensor] = {}  # by the tile's first row and column

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Predict x_0 (B, 3, H, W) from `x_t` at times t (B,); base images are kept.

        Raises:
            ValueError: if `x_t` is not shaped as the image.
        """
        if x_t.shape != self.shape:
            raise ValueError(f"expected x_t {self.shape} to predict from, got {tuple(x_t.shape)}")

        def predict_tile(rows: slice, columns: slice) -> Tensor:
            latent, key = self._latent(rows, columns), (rows.start, columns.start)
            if key not in self.base_images:
                self.base_images[key] = self.base(latent)
            x_tile = x_t[:, :, rows, columns]
            return self.predict(x_tile, t, latent, base=self.base_images[key]).clamp(-1, 1)

        return self._blend(predict_tile)

    def predict_image(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Predict once: the image (B, 3, H, W) in [0, 1]; nothing is kept."""

        def predict_tile(rows: slice, columns: slice) -> Tensor:
            latent = self._latent(rows, columns)
            x_0 = self.predict(x_t[:, :, rows, columns], t, latent, base=self.base(latent))
            return (x_0.clamp(-1, 1) + 1) / 2

        return self._blend(predict_tile)

    def _latent(self, rows: slice, columns: slice) -> Tensor:
        first, left = rows.start // LATENT_STRIDE, columns.start // LATENT_STRIDE
        end, right = rows.stop // LATENT_STRIDE, columns.stop // LATENT_STRIDE
        return self.y_hat[:, :, first:end, left:right]

    def _blend(self, predict_tile: Callable[[slice, slice], Tensor]) -> Tensor:
        return blend_tiles(
            predict_tile,
            self.shape,
            size=self.tile_size,
            overlap=self.tile_overlap,
            unit=LATENT_STRIDE,
            device=self.y_hat.device,
        )
