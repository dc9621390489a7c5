import pytest
import torch
from torch import nn

from jscc_ratetoken.channel import AWGN
from jscc_ratetoken.codec import CodecConfig, JSCCDecoder, JSCCEncoder
from jscc_ratetoken.power import normalize_power, to_complex, to_real
from jscc_ratetoken.rate import active_mask

CONFIG = CodecConfig(
    latent_channels=8, depth=2, heads=2, mlp_ratio=2.0, window=4, levels=(0, 2, 4, 8)
)


class RecordingAdapter(nn.Module):
    """Scale by the SNR in dB, and remember what came."""

    def forward(self, features, snr_db):
        self.shapes = tuple(features.shape), tuple(snr_db.shape)
        return features * snr_db[:, None, None]


def draw(batch=2, height=5, width=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 8, height, width)
    return {
        "y": torch.randn(shape, generator=generator),
        "rate_index": torch.randint(4, (batch, height, width), generator=generator),
        "snr_db": torch.linspace(0, 15, batch),
        "mean": torch.randn(shape, generator=generator),
        "scale": 0.11 + torch.rand(shape, generator=generator),
    }


def received_back(encoder, decoder, *, gain=1.0, **inputs):
    """Send over a channel that adds nothing, with the given amplitude."""
    gains = torch.full_like(inputs["snr_db"], gain)
    prior = {"mean": inputs["mean"], "scale": inputs["scale"]}
    s = encoder(inputs["y"], inputs["rate_index"], inputs["snr_db"], **prior)
    return decoder(gain * s, inputs["rate_index"], inputs["snr_db"], gain=gains, **prior)


def test_untrained_encoder_sends_the_leading_precoded_channels():
    y = torch.arange(1.0, 9).view(1, 8, 1, 1).expand(1, 8, 1, 2)
    s = JSCCEncoder(CONFIG)(y, torch.tensor([[[1, 2]]]), torch.tensor([10.0]))
    assert s.tolist() == [[[1, 2, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 0, 0, 0, 0]]]
    halved = JSCCEncoder(CONFIG)(
        y, torch.tensor([[[1, 2]]]), torch.tensor([10.0]), scale=torch.full_like(y, 4.0)
    )
    assert torch.equal(halved, s / 2)


def test_untrained_decoder_by_hand():
    # As above: s_hat 1 becomes r = 1 / 0.5 = 2, u = 2 * 4 / 4.2, y_hat = 3 + 2 * u; channels
    # beyond the two that were sent stay at their mean, though s_hat is full of ones.
    y_hat = JSCCDecoder(CONFIG)(
        torch.ones(1, 1, 8),
        torch.tensor([[[1]]]),
        torch.tensor([10.0]),
        gain=torch.tensor([0.5]),
        mean=torch.full((1, 8, 1, 1), 3.0),
        scale=torch.full((1, 8, 1, 1), 4.0),
    )
    expected = [3 + 2 * 2 * 4 / 4.2] * 2 + [3.0] * 6
    torch.testing.assert_close(y_hat.flatten(), torch.tensor(expected))


def test_untrained_link_has_the_error_of_lmmse():
    # Theory: E (u - u_hat)^2 = scale N / (scale + N), and y = sqrt(scale) u. Monte Carlo with
    # 120,000 draws per channel; the gain is measured, as the power is.
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5, 0.3, 0.2, 0.11]).view(1, 8, 1, 1)
    scale = scale.expand(3, 8, 200, 200)
    y = scale * torch.randn(scale.shape, generator=generator)
    rate_index, snr_db = torch.full((3, 200, 200), 3), torch.full((3,), 4.0)
    s = JSCCEncoder(CONFIG)(y, rate_index, snr_db, scale=scale)
    s, gain = normalize_power(s, active_mask(rate_index, levels=CONFIG.levels))
    s_hat = to_real(AWGN()(to_complex(s), snr_db, generator=generator))
    y_hat = JSCCDecoder(CONFIG)(s_hat, rate_index, snr_db, gain=gain, scale=scale)
    error = (y - y_hat).square().mean(dim=(0, 2, 3))

    std = scale[0, :, 0, 0]
    noise = 10**-0.4 * std.mean()  # N = sigma^2 / (2 gain^2), 1 / gain^2 = 2 mean(scale)
    torch.testing.assert_close(error, std * std * noise / (std + noise), rtol=0.02, atol=0)


def test_all_that_is_sent_without_noise_comes_back():
    inputs = draw()
    inputs["rate_index"].fill_(3)
    inputs["snr_db"].fill_(200.0)
    y_hat = received_back(JSCCEncoder(CONFIG), JSCCDecoder(CONFIG), gain=0.3, **inputs)
    torch.testing.assert_close(y_hat, inputs["y"], atol=1e-5, rtol=1e-5)


def test_an_image_does_not_depend_on_its_neighbours(trained):
    encoder, decoder = trained(JSCCEncoder(CONFIG)), trained(JSCCDecoder(CONFIG))
    inputs = draw(batch=4)
    together = received_back(encoder, decoder, **inputs)
    inputs["y"][1:] *= 100  # loud neighbours
    inputs["rate_index"][1:] = 3
    louder = received_back(encoder, decoder, **inputs)
    alone = received_back(encoder, decoder, **{name: x[:1] for name, x in inputs.items()})
    torch.testing.assert_close(louder[:1], together[:1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(alone, together[:1], atol=1e-5, rtol=1e-5)


def test_nothing_beyond_a_tokens_rate_is_sent_or_read(trained):
    encoder, decoder = trained(JSCCEncoder(CONFIG)), trained(JSCCDecoder(CONFIG))
    inputs = draw()
    prior = {"mean": inputs["mean"], "scale": inputs["scale"]}
    rate_index, snr_db = inputs["rate_index"], inputs["snr_db"]
    mask = active_mask(rate_index, levels=CONFIG.levels)
    s = encoder(inputs["y"], rate_index, snr_db, **prior)
    assert torch.all(s[~mask] == 0)
    assert torch.all(s[mask] != 0)

    clean = decoder(s, rate_index, snr_db, gain=torch.ones(2), **prior)
    dirty = decoder(s.where(mask, torch.nan), rate_index, snr_db, gain=torch.ones(2), **prior)
    assert torch.equal(clean, dirty)


def test_adapters_are_called_with_tokens_and_one_snr_per_image():
    sender, receiver = RecordingAdapter(), RecordingAdapter()
    inputs = draw(batch=3)
    inputs["rate_index"].fill_(3)
    inputs["snr_db"] = torch.tensor([100.0, 200.0, 300.0])  # no noise to speak of
    inputs["mean"].zero_()
    encoder = JSCCEncoder(CONFIG, snr_adapter=sender)
    decoder = JSCCDecoder(CONFIG, snr_adapter=receiver)
    y_hat = received_back(encoder, decoder, **inputs)
    assert sender.shapes == receiver.shapes == ((3, 30, 8), (3,))
    squared = inputs["snr_db"].square().view(3, 1, 1, 1)
    torch.testing.assert_close(y_hat, inputs["y"] * squared, rtol=1e-4, atol=1e-4)


def test_at_its_zero_start_every_branch_that_must_open_has_a_gradient():
    encoder, decoder = JSCCEncoder(CONFIG), JSCCDecoder(CONFIG)
    inputs = draw()
    (received_back(encoder, decoder, **inputs) - inputs["y"]).square().sum().backward()
    opening = ("rate_token", "scale_features", "attn.proj", "mlp.fc2", "heads.weights.3")
    for side in (encoder, decoder):
        names = [name for name, p in side.named_parameters() if bool((p.grad != 0).any())]
        assert all(any(part in name for name in names) for part in opening)


def test_once_open_every_parameter_learns(trained):
    encoder, decoder = trained(JSCCEncoder(CONFIG)), trained(JSCCDecoder(CONFIG))
    inputs = draw()
    inputs["scale"].requires_grad_()
    (received_back(encoder, decoder, **inputs) - inputs["y"]).square().sum().backward()
    for parameter in [*encoder.parameters(), *decoder.parameters(), inputs["scale"]]:
        assert parameter.numel() == 0 or bool((parameter.grad != 0).any())


def test_training_improves_on_the_linear_link():
    # Neighbouring tokens are equal here: a linear link per token cannot know, attention can.
    torch.manual_seed(0)
    encoder, decoder = JSCCEncoder(CONFIG), JSCCDecoder(CONFIG)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    rate_index, snr_db = torch.full((16, 4, 4), 2), torch.zeros(16)
    mask = active_mask(rate_index, levels=CONFIG.levels)
    errors = []
    for _ in range(60):
        y = torch.randn(16, 8, 1, 1).expand(16, 8, 4, 4)
        s, gain = normalize_power(encoder(y, rate_index, snr_db), mask)
        y_hat = decoder(to_real(AWGN()(to_complex(s), snr_db)), rate_index, snr_db, gain=gain)
        error = (y_hat - y).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert sum(errors[-5:]) < 0.8 * sum(errors[:5])


def test_bfloat16_autocast_leaves_signal_power_and_noise_in_float32(trained):
    encoder, decoder = trained(JSCCEncoder(CONFIG)), trained(JSCCDecoder(CONFIG))
    inputs = draw()
    prior = {"mean": inputs["mean"], "scale": inputs["scale"]}
    rate_index, snr_db = inputs["rate_index"], inputs["snr_db"]
    mask = active_mask(rate_index, levels=CONFIG.levels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        s = encoder(inputs["y"], rate_index, snr_db, **prior)
        sent, gain = normalize_power(s, mask)
        symbols = AWGN()(to_complex(sent), snr_db)
        y_hat = decoder(to_real(symbols), rate_index, snr_db, gain=gain, **prior)
    assert (s.dtype, sent.dtype, gain.dtype, y_hat.dtype) == (torch.float32,) * 4
    assert symbols.dtype == torch.complex64
    power = sent.square().sum(dim=(1, 2)) / (mask.sum(dim=(1, 2)) / 2)
    torch.testing.assert_close(power, torch.ones(2), atol=1e-5, rtol=0)


def test_untrained_link_keeps_float32_precision_under_autocast():
    inputs = draw()
    expected = received_back(JSCCEncoder(CONFIG), JSCCDecoder(CONFIG), **inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = received_back(JSCCEncoder(CONFIG), JSCCDecoder(CONFIG), **inputs)
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"levels": (4, 16)}, r"levels up to latent_channels 8, got \(4, 16\)"),
        ({"levels": (3,)}, "even, strictly rising levels"),
        ({"heads": 3}, "heads that divide 8 channels, got 3"),
        ({"window": 5}, "an even window of at least 2, got 5"),
        ({"depth": -1}, r"depth in \[0, 64\] and mlp_ratio > 0, got -1"),
    ],
)
def test_bad_sizes_are_refused(change, message):
    sizes = {"latent_channels": 8, "heads": 2, "levels": (0, 2)}
    with pytest.raises(ValueError, match=message):
        CodecConfig(**(sizes | change))


def test_errors_say_what_was_expected():
    encoder, decoder = JSCCEncoder(CONFIG), JSCCDecoder(CONFIG)
    rate_index, snr_db = torch.zeros(2, 3, 4, dtype=torch.long), torch.zeros(2)
    with pytest.raises(ValueError, match=r"expected y \(B, 8, h, w\), got \(2, 7, 3, 4\)"):
        encoder(torch.ones(2, 7, 3, 4), rate_index, snr_db)
    with pytest.raises(
        ValueError, match=r"rate_index \(2, 3, 4\) and snr_db \(2,\), got .* \(1,\)"
    ):
        encoder(torch.ones(2, 8, 3, 4), rate_index, torch.zeros(1))
    with pytest.raises(ValueError, match=r"s_hat \(2, 12, 8\) and gain \(2,\), got \(2, 12, 4\)"):
        decoder(torch.ones(2, 12, 4), rate_index, snr_db, gain=torch.ones(2))
