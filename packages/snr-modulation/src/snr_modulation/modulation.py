"""One SNR modulation (SM) module: from a signal-to-noise ratio to one factor per feature."""

import torch
from torch import Tensor, nn


class SNRModulation(nn.Module):
    """Map an SNR to a vector of factors in (0, 1) for the features, Sec. III-A.3.

    Source: LRISC Sec. III-A.3 and SwinJSCC: a three-layer fully connected network whose
    input is the SNR in plain dB (reconstructed: neither work normalises it).

        snr_db (B,) -> Linear(1, H) -> ReLU -> Linear(H, H) -> ReLU -> Linear(H, H) -> sigmoid

    Args:
        width: H, the number of features that the factors scale; at least 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"expected width of at least 1, got {width}")
        self.width = width
        self.fc = nn.Sequential(
            nn.Linear(1, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.Sigmoid(),
        )

    def forward(self, snr_db: Tensor) -> Tensor:
        """Compute the factors of each sample.

        Args:
            snr_db: (B,), dB, of the dtype of the weights.

        Returns:
            (B, H), each in (0, 1).

        Raises:
            ValueError: if ``snr_db`` is not one number per sample.
        """
        if snr_db.ndim != 1:
            raise ValueError(f"expected snr_db (B,), got {tuple(snr_db.shape)}")
        factors: Tensor = self.fc(snr_db.unsqueeze(-1))  # (B,) -> (B, 1) -> (B, H)
        return factors


def spread_snr(snr_db: Tensor | float, *, features: Tensor) -> Tensor:
    """Expand the SNR to one value per sample; a scalar is used for the whole batch.

    Args:
        snr_db: a number or a tensor of shape () or (B,), dB.
        features: (B, ...), gives the batch size, the dtype and, for a number, the device.

    Returns:
        (B,), dB, in the dtype of ``features``.

    Raises:
        ValueError: if ``snr_db`` is neither a scalar nor one number per sample.
    """
    batch = features.shape[0]
    if not isinstance(snr_db, Tensor):
        return torch.full((batch,), snr_db, dtype=features.dtype, device=features.device)
    if snr_db.ndim == 0:
        return snr_db.to(features.dtype).expand(batch)
    if snr_db.ndim != 1 or snr_db.shape[0] != batch:
        raise ValueError(f"expected snr_db () or ({batch},), got {tuple(snr_db.shape)}")
    return snr_db.to(features.dtype)
