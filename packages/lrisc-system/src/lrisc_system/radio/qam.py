"""Square constellations with Gray mapping, and the soft values of their bits.

Each axis of 802.11's BPSK, QPSK, 16-QAM and 64-QAM is an amplitude modulation of its own: the
first half of a symbol's bits chooses the real part, the second half the imaginary part.
"""

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor


@dataclass(frozen=True)
class Constellation:
    """Amplitudes of unit mean power, two per bit and axis.

    Args:
        name: as a table shows it.
        bits_per_axis: bits that choose an amplitude.
        axes: 1 for the real axis alone, 2 for both.
    """

    name: str
    bits_per_axis: int
    axes: int

    def __post_init__(self) -> None:
        if self.bits_per_axis < 1 or self.axes not in (1, 2):
            raise ValueError(
                f"expected at least one bit per axis and 1 or 2 axes, "
                f"got {self.bits_per_axis} and {self.axes}"
            )

    @property
    def bits_per_symbol(self) -> int:
        """Bits that a complex symbol carries."""
        return self.bits_per_axis * self.axes

    def amplitudes(self) -> Tensor:
        """Amplitude of each bit pattern read as a number, highest bit first, (2^bits_per_axis,).

        Neighbours differ in one bit: amplitude `2 i - (L - 1)`, `i = 0..L-1`, has the Gray code
        `i xor i // 2`. Source: IEEE Std 802.11, "Subcarrier modulation mapping".
        """
        levels = 2**self.bits_per_axis
        index = torch.arange(levels)
        amplitude = torch.empty(levels, dtype=torch.float64)
        amplitude[index ^ (index >> 1)] = (2 * index - (levels - 1)).double()
        return amplitude / (self.axes * (levels**2 - 1) / 3) ** 0.5

    def modulate(self, bits: Tensor) -> Tensor:
        """Map bits 0 and 1, (M,), to symbols of unit mean power, (M / bits_per_symbol,) complex64.

        Raises:
            ValueError: M is no multiple of `bits_per_symbol`.
        """
        if bits.ndim != 1 or bits.numel() % self.bits_per_symbol:
            raise ValueError(
                f"expected (M,) bits, M a multiple of {self.bits_per_symbol}, "
                f"got {tuple(bits.shape)}"
            )
        weights = 2 ** torch.arange(self.bits_per_axis - 1, -1, -1)
        patterns = bits.long().view(-1, self.axes, self.bits_per_axis) @ weights  # (K, axes)
        axes = self.amplitudes()[patterns].float()
        imaginary = axes[:, 1] if self.axes == 2 else torch.zeros_like(axes[:, 0])
        return torch.complex(axes[:, 0], imaginary)

    def soft_bits(self, symbols: Tensor, noise_power: Tensor) -> Tensor:
        """Log-likelihood ratio of each bit, `log p(r given 0) - log p(r given 1)`, exact.

        Args:
            symbols: received, with unit gain, (K,) complex.
            noise_power: of the complex noise of each symbol, (K,) or a number.

        Returns:
            (K * bits_per_symbol,) float64, positive where 0 is likelier.
        """
        amplitudes = self.amplitudes()
        axes = torch.view_as_real(symbols)[:, : self.axes].double()  # (K, axes)
        distance = (axes[..., None] - amplitudes).square()  # (K, axes, L)
        # An axis has half of the complex noise, so the exponent is d^2 / (2 * noise_power / 2).
        likelihood = -distance / noise_power.double().expand(len(symbols))[:, None, None]
        ratios = []
        for position in range(self.bits_per_axis - 1, -1, -1):
            one = (torch.arange(len(amplitudes)) >> position & 1).bool()
            ratios.append(
                likelihood[..., ~one].logsumexp(dim=-1) - likelihood[..., one].logsumexp(dim=-1)
            )
        return torch.stack(ratios, dim=-1).flatten()


class Modulation(Enum):
    """The modulations of IEEE 802.11n."""

    BPSK = Constellation("BPSK", bits_per_axis=1, axes=1)
    QPSK = Constellation("QPSK", bits_per_axis=1, axes=2)
    QAM16 = Constellation("16-QAM", bits_per_axis=2, axes=2)
    QAM64 = Constellation("64-QAM", bits_per_axis=3, axes=2)
