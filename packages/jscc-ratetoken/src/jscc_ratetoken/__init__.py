"""Rate-adaptive joint source-channel codec for image tokens, with channels."""

from jscc_ratetoken.channel import (
    AWGN,
    Channel,
    Noiseless,
    RayleighBlock,
    RayleighFast,
    mmse,
    zero_forcing,
)
from jscc_ratetoken.codec import CodecConfig, JSCCDecoder, JSCCEncoder, SNRIdentity
from jscc_ratetoken.heads import InverseRateHeads, RateHeads
from jscc_ratetoken.power import (
    dequantize_gain,
    normalize_power,
    quantize_gain,
    to_complex,
    to_real,
)
from jscc_ratetoken.prior import lmmse_weight
from jscc_ratetoken.rate import (
    active_mask,
    allocate_rate,
    reals_per_token,
    solve_eta,
    symbols_per_token,
)
from jscc_ratetoken.tokens import RateToken

__all__ = [
    "AWGN",
    "Channel",
    "CodecConfig",
    "InverseRateHeads",
    "JSCCDecoder",
    "JSCCEncoder",
    "Noiseless",
    "RateHeads",
    "RateToken",
    "RayleighBlock",
    "RayleighFast",
    "SNRIdentity",
    "active_mask",
    "allocate_rate",
    "dequantize_gain",
    "lmmse_weight",
    "mmse",
    "normalize_power",
    "quantize_gain",
    "reals_per_token",
    "solve_eta",
    "symbols_per_token",
    "to_complex",
    "to_real",
    "zero_forcing",
]
