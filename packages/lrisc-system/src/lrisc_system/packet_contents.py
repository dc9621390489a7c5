"""What a packet from outside holds: its claims checked, and the prior of its latent."""

from __future__ import annotations

from collections.abc import Sequence

from entropy_hyperprior import LatentPrior
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.parts import HyperpriorPart


def check_claims(
    packet: Packet, *, grid: tuple[int, int], levels: Sequence[int], hyperprior: HyperpriorPart
) -> None:
    """Compare the size that a packet claims with what it brings, before anything is computed.

    Args:
        packet: from outside.
        grid: (h, w) of the latent that its size asks for.
        levels: real numbers of a token at each rate, rising.
        hyperprior: of the model.

    Raises:
        PacketError: if it brings too few or too many symbols, or too short a z stream.
    """
    tokens = grid[0] * grid[1]
    low, high = levels[0] * tokens // 2, levels[-1] * tokens // 2
    if not low <= packet.symbols.numel() <= high:
        height, width = packet.image_size
        raise PacketError(
            f"expected {low} to {high} symbols for an image of {width} x {height}, "
            f"got {packet.symbols.numel()}"
        )
    check = getattr(hyperprior, "check_strings", None)
    if check is not None and packet.z_stream is not None:
        try:
            check([packet.z_stream], latent_size=grid)
        except ValueError as error:
            raise PacketError(f"damaged packet: {error}") from error


def decode_prior(
    packet: Packet, *, grid: tuple[int, int], hyperprior: HyperpriorPart
) -> LatentPrior:
    """Decode the prior of the latent (1, C, *grid) from z, or without it.

    Args:
        packet: from outside; one that lost its z gets the prior of the likeliest z.
        grid: (h, w) of the latent.
        hyperprior: of the model.

    Raises:
        PacketError: if z is damaged, or is lost and the hyperprior has no `likeliest_prior`.
    """
    if packet.z_stream is not None:
        try:
            return hyperprior.decompress([packet.z_stream], latent_size=grid)
        except ValueError as error:
            raise PacketError(f"damaged packet: {error}") from error
    likeliest = getattr(hyperprior, "likeliest_prior", None)
    if likeliest is None:
        raise PacketError("the packet lost its z, and this hyperprior needs it")
    prior: LatentPrior = likeliest(latent_size=grid)
    return prior
