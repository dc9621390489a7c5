"""Mutated packets: damaged bytes, and false claims under right checksums."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import torch

from lrisc_system.config import TINY
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.system import LRISC
from torture.outcome import Tally, damage, tally

COUNT = 20_000


def torture_packets(count: int = COUNT, *, seed: int = 0) -> Tally:
    """Receive `count` mutated packets with a tiny model."""
    torch.manual_seed(seed)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    system.hyperprior.update()
    system.eval()
    packet = system.send(torch.rand(1, 3, 40, 56), 10.0, eta=0.1)

    def check(image: object) -> str | None:
        sound = isinstance(image, torch.Tensor) and bool(image.isfinite().all())
        return None if sound else "expected an image of finite values"

    cases = make_cases(packet, system, count=count, random=Random(seed))
    return tally("packets", cases, allowed=PacketError, check=check)


def make_cases(
    packet: Packet, system: LRISC, *, count: int, random: Random
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name and the reception of each mutated packet."""
    mutations = (damage_file, forge_side, forge_size, forge_streams, forge_symbols)
    for index in range(count):
        mutate = mutations[index % len(mutations)]
        data = mutate(packet, random)

        def receive(data: bytes = data) -> object:
            found = Packet.from_bytes(data)
            return system.receive(found, 10.0 if found.snr_db is None else found.snr_db)

        yield f"{index} {mutate.__name__}", receive


def damage_file(packet: Packet, random: Random) -> bytes:
    """Damage the bytes of the file anywhere; the checksums tell."""
    return damage(packet.to_bytes(), random)


def forge_side(packet: Packet, random: Random) -> bytes:
    """Damage the side information, under a checksum that fits."""
    whole = packet.to_bytes()
    length = packet.side_bits // 8
    side = damage(whole[: length - 4], random)
    return side + struct.pack("<I", zlib.crc32(side)) + whole[length:]


def forge_size(packet: Packet, random: Random) -> bytes:
    """Claim another image size."""
    sides = (1, 15, 17, 48, 64, 1000, 8192, 65535)
    size = (random.choice(sides), random.choice(sides))
    symbols = packet.symbols[: random.choice((0, 1, len(packet.symbols)))]
    return replace(packet, image_size=size, symbols=symbols).to_bytes()


def forge_streams(packet: Packet, random: Random) -> bytes:
    """Damage one of the two streams, under checksums that fit."""
    if random.random() < 0.5:
        return replace(packet, z_stream=damage(packet.z_stream, random)).to_bytes()
    return replace(packet, rate_stream=damage(packet.rate_stream, random)).to_bytes()


def forge_symbols(packet: Packet, random: Random) -> bytes:
    """Write other symbols, another gain and another SNR, under checksums that fit."""
    whole = bytearray(replace(packet, gain_code=random.randrange(256)).to_bytes())
    start = packet.side_bits // 8
    for _ in range(random.randint(0, 3)):
        at = start + 4 * random.randrange(2 * len(packet.symbols))
        number = random.choice((0.0, 1e4, 9e3, -3e38, float("nan"), float("inf"), 1e-40))
        whole[at : at + 4] = struct.pack("<f", number)
    snr_db = random.choice((10.0, -20.0, 40.0, 1e300, float("nan"), float("inf")))
    whole[-12:-4] = struct.pack("<d", snr_db)
    whole[-4:] = struct.pack("<I", zlib.crc32(whole[start:-4]))
    return bytes(whole)
