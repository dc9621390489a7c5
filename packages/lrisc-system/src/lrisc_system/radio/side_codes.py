"""The codes of side information: every modulation with every code rate and length of 802.11."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lrisc_system.radio.code_blocks import BlockPlan, checksum, plan_message
from lrisc_system.radio.ldpc import wifi_code
from lrisc_system.radio.ldpc_matrices import CODE_LENGTHS
from lrisc_system.radio.mcs import MCS, MCS_TABLE
from lrisc_system.radio.soft_channel import Observation

CHECKSUM_BYTES = 2


@dataclass(frozen=True)
class SideCode:
    """A modulation, a code rate and a code length.

    A part of the side information gets a CRC and blocks of its own, all shortened to its length. A
    short part in a long code has a lower rate than the code, so the length is a choice of rates
    too.

    Args:
        mcs: modulation and code rate.
        length: bits of the code before it is shortened.
    """

    mcs: MCS
    length: int

    def __str__(self) -> str:
        return f"{self.mcs} of {self.length} bits"

    def plan(self, part_bytes: int) -> BlockPlan:
        """Lay out a part of so many bytes, at least one, and its CRC."""
        code = wifi_code(self.mcs.rate, length=self.length)
        return plan_message(code, message_bytes=part_bytes + CHECKSUM_BYTES)

    def symbols(self, part_bytes: int) -> int:
        """Symbols that a part takes; an empty one takes none."""
        return self.mcs.symbols(self.plan(part_bytes)) if part_bytes else 0

    def encode(self, part: bytes) -> Tensor:
        """Code and modulate a part and its CRC: (K,) complex64 of unit mean power."""
        if not part:
            return torch.zeros(0, dtype=torch.complex64)
        return self.mcs.encode(part + checksum(part), plan=self.plan(len(part)))

    def decode(self, seen: Observation, *, part_bytes: int) -> bytes | None:
        """Decode a part of so many bytes from its symbols (K,), or nothing when it is lost."""
        if not part_bytes:
            return b""
        received = self.mcs.decode(seen, plan=self.plan(part_bytes))
        end = part_bytes + CHECKSUM_BYTES
        part, check = received.data[:part_bytes], received.data[part_bytes:end]
        return part if received.lost_block is None and checksum(part) == check else None


SIDE_CODES = tuple(SideCode(mcs, length) for mcs in MCS_TABLE for length in CODE_LENGTHS)
"""48 codes, in the order in which a header names them."""
