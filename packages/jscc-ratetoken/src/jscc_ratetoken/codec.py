"""JSCC encoder and decoder, Eq. (7).

    y --precode--> + rate token --> blocks --> SNR adapter --> head of rate k_i --> s
    s_hat --LMMSE--> transposed head --> SNR adapter --> + rate token --> blocks --undo--> y_hat

Every learned branch is zero at the start, so an untrained pair is the optimal linear link: it sends
components of standard deviation `scale` with amplitude `scale^(1/2)` and estimates them by LMMSE.
"""

from dataclasses import dataclass

from einops import rearrange
from torch import Tensor, nn

from jscc_ratetoken.heads import InverseRateHeads, RateHeads
from jscc_ratetoken.prior import known_prior, lmmse_weight, precode, to_tokens, undo_precoding
from jscc_ratetoken.rate import active_mask, check_levels
from jscc_ratetoken.tokens import RateToken
from jscc_ratetoken.windows import WindowBlock

# Far more than any codec has: a config from a file cannot ask for what takes minutes to build.
MAX_DEPTH, MAX_LEVELS = 64, 256


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec; encoder and decoder share them.

    Attributes:
        latent_channels: C, channels of the latent y.
        depth: transformer blocks on each side.
        heads: attention heads of a block.
        mlp_ratio: hidden width of a block's MLP, divided by C.
        window: side of the attention windows in tokens, even.
        levels: possible numbers of reals per token, even and rising; 0 sends nothing.
    """

    latent_channels: int = 256
    depth: int = 4
    heads: int = 8
    mlp_ratio: float = 4.0
    window: int = 8
    levels: tuple[int, ...] = tuple(range(16, 257, 16))

    def __post_init__(self) -> None:
        check_levels(self.levels)
        if self.levels[-1] > self.latent_channels:
            raise ValueError(
                f"expected levels up to latent_channels {self.latent_channels}, got {self.levels}"
            )
        if self.heads < 1 or self.latent_channels % self.heads:
            raise ValueError(
                f"expected heads that divide {self.latent_channels} channels, got {self.heads}"
            )
        if self.window < 2 or self.window % 2:
            raise ValueError(f"expected an even window of at least 2, got {self.window}")
        if not 0 <= self.depth <= MAX_DEPTH or not self.mlp_ratio > 0:
            raise ValueError(
                f"expected depth in [0, {MAX_DEPTH}] and mlp_ratio > 0, "
                f"got {self.depth} and {self.mlp_ratio}"
            )
        if len(self.levels) > MAX_LEVELS:
            raise ValueError(f"expected at most {MAX_LEVELS} levels, got {len(self.levels)}")


class SNRIdentity(nn.Module):
    """The default adapter: it returns the features, independent of the SNR."""

    def forward(self, features: Tensor, snr_db: Tensor) -> Tensor:
        """Return the features (B, N, C) unchanged."""
        return features


class TokenTransformer(nn.Module):
    """Add rate token and scale to the tokens, then apply window blocks; starts as the identity."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        width = config.latent_channels
        self.rate_token = RateToken(len(config.levels), width)
        self.scale_features = nn.Linear(width, width)
        nn.init.zeros_(self.scale_features.weight)
        nn.init.zeros_(self.scale_features.bias)
        self.blocks = nn.ModuleList(
            WindowBlock(
                width,
                heads=config.heads,
                mlp_ratio=config.mlp_ratio,
                window=config.window,
                shift=i % 2 * config.window // 2,
            )
            for i in range(config.depth)
        )

    def forward(self, tokens: Tensor, rate_index: Tensor, scale: Tensor) -> Tensor:
        """Map tokens (B, N, C) to the same shape; rate_index (B, h, w), scale (B, N, C)."""
        height, width = rate_index.shape[1:]
        tokens = self.rate_token(tokens, rate_index.flatten(1))
        tokens = tokens + self.scale_features(scale.log())
        grid = rearrange(tokens, "b (h w) c -> b h w c", h=height, w=width)
        for block in self.blocks:
            grid = block(grid)
        return grid.flatten(1, 2)


class JSCCEncoder(nn.Module):
    """Map the latent to the numbers to send, Eq. (7) `s = f_e(y_w, k)`.

    Args:
        config: sizes, the same as the decoder's.
        snr_adapter: any `(features (B, N, C), snr_db (B,)) -> features`; the identity by default.
    """

    def __init__(self, config: CodecConfig, *, snr_adapter: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.transformer = TokenTransformer(config)
        self.snr_adapter = SNRIdentity() if snr_adapter is None else snr_adapter
        self.heads = RateHeads(config.latent_channels, config.levels)

    def forward(
        self,
        y: Tensor,
        rate_index: Tensor,
        snr_db: Tensor,
        *,
        mean: Tensor | None = None,
        scale: Tensor | None = None,
    ) -> Tensor:
        """Encode a batch of latents. The result is not power-normalised.

        Args:
            y: latent, (B, C, h, w).
            rate_index: indices into the levels, (B, h, w).
            snr_db: channel SNR in dB, (B,).
            mean: of each element, as the receiver knows it, (B, C, h, w); 0 by default.
            scale: standard deviation of each element, (B, C, h, w), positive; 1 by default.

        Returns:
            Stream of real numbers, (B, N, v_max), zero beyond the rate of each token.
        """
        channels = self.config.latent_channels
        if y.ndim != 4 or y.shape[1] != channels:
            raise ValueError(f"expected y (B, {channels}, h, w), got {tuple(y.shape)}")
        check_grid(rate_index, snr_db, batch=y.shape[0], grid=y.shape[2:])
        mean, scale = known_prior(mean, scale, like=y)
        tokens = to_tokens(precode(y, mean, scale))  # (B, C, h, w) -> (B, N, C)
        tokens = self.transformer(tokens, rate_index, to_tokens(scale))
        tokens = self.snr_adapter(tokens, snr_db)
        return self.heads(tokens, rate_index.flatten(1))  # (B, N, C) -> (B, N, v_max)


class JSCCDecoder(nn.Module):
    """Estimate the latent from the received numbers, `y_hat = f_d(s_hat, k)`; mirrors the encoder.

    Args:
        config: sizes, the same as the encoder's.
        snr_adapter: any `(features (B, N, C), snr_db (B,)) -> features`; the identity by default.
    """

    def __init__(self, config: CodecConfig, *, snr_adapter: nn.Module | None = None) -> None:
        super().__init__()
        self.config = config
        self.heads = InverseRateHeads(config.latent_channels, config.levels)
        self.snr_adapter = SNRIdentity() if snr_adapter is None else snr_adapter
        self.transformer = TokenTransformer(config)

    def forward(
        self,
        s_hat: Tensor,
        rate_index: Tensor,
        snr_db: Tensor,
        *,
        gain: Tensor,
        mean: Tensor | None = None,
        scale: Tensor | None = None,
    ) -> Tensor:
        """Decode a batch of received streams.

        Args:
            s_hat: received real numbers, (B, N, v_max); values beyond a token's rate are ignored.
            rate_index: indices into the levels, (B, h, w).
            snr_db: channel SNR in dB, (B,).
            gain: factor by which the sender multiplied the encoder's stream, (B,).
            mean: as given to the encoder, (B, C, h, w).
            scale: as given to the encoder, (B, C, h, w).

        Returns:
            Estimated latent, (B, C, h, w). Untrained, it is the LMMSE estimate.
        """
        batch, (height, width) = s_hat.shape[0], rate_index.shape[-2:]
        levels, channels = self.config.levels, self.config.latent_channels
        check_grid(rate_index, snr_db, batch=batch, grid=(height, width))
        if s_hat.shape != (batch, height * width, levels[-1]) or gain.shape != (batch,):
            raise ValueError(
                f"expected s_hat ({batch}, {height * width}, {levels[-1]}) and gain ({batch},), "
                f"got {tuple(s_hat.shape)} and {tuple(gain.shape)}"
            )
        like = s_hat.new_empty(batch, channels, height, width)
        mean, scale = known_prior(mean, scale, like=like)
        weight = lmmse_weight(to_tokens(scale)[..., : levels[-1]], snr_db=snr_db, gain=gain)
        received = weight * s_hat / gain[:, None, None]
        received = received.where(active_mask(rate_index, levels=levels), 0)
        tokens = self.heads(received, rate_index.flatten(1))  # (B, N, v_max) -> (B, N, C)
        tokens = self.snr_adapter(tokens, snr_db)
        tokens = self.transformer(tokens, rate_index, to_tokens(scale))
        u_hat = rearrange(tokens, "b (h w) c -> b c h w", h=height, w=width)
        return undo_precoding(u_hat, mean, scale)


def check_grid(rate_index: Tensor, snr_db: Tensor, *, batch: int, grid: tuple[int, ...]) -> None:
    """Raise ValueError unless rate_index is (B, h, w) and snr_db is (B,)."""
    if rate_index.shape != (batch, *grid) or snr_db.shape != (batch,):
        raise ValueError(
            f"expected rate_index {(batch, *grid)} and snr_db ({batch},), "
            f"got {tuple(rate_index.shape)} and {tuple(snr_db.shape)}"
        )
