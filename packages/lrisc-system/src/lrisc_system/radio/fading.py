"""The channels that `--fading` may name."""

from enum import Enum

from jscc_ratetoken import AWGN, RayleighBlock, RayleighFast


class Fading(Enum):
    """What the link does to the symbols besides adding noise."""

    none = AWGN()
    block = RayleighBlock()
    fast = RayleighFast()
