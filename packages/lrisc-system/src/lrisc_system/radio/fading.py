"""The channels that `--fading` may name."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jscc_ratetoken import Channel


class Fading(Enum):
    """What the link does to the symbols besides adding noise: a channel of `jscc_ratetoken`."""

    none = "AWGN"
    block = "RayleighBlock"
    fast = "RayleighFast"

    def channel(self) -> Channel:
        """Make the channel. torch is imported here, so that `--help` does not wait for it."""
        import jscc_ratetoken

        channel: Channel = getattr(jscc_ratetoken, self.value)()
        return channel
