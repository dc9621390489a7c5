import copy
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from jscc_ratetoken import AWGN, Noiseless, active_mask
from lrisc_system.config import TINY
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.link import check_snr_db, cross_channel
from lrisc_system.packets.packet import Packet, PacketError
from lrisc_system.system import LRISC


@pytest.fixture(scope="module")
def system():
    torch.manual_seed(0)
    system = LRISC(TINY)
    # A trained-like scale: amplitudes of many bins, falling over the channels.
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    system.hyperprior.update()
    return system.eval()


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 50, 70, generator=torch.Generator().manual_seed(1))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_an_image_crosses_the_link(system, image):
    received, packet = system.transmit(image, 10.0, eta=0.2, generator=seeded())
    assert received.shape == image.shape
    assert 0 <= received.min() <= received.max() <= 1
    assert packet.symbols.abs().square().mean() <= 1 + 1e-5
    assert packet.symbols.numel() > 0


def test_the_same_seed_gives_the_same_image(system, image):
    first, again, other = (
        system.transmit(image, 5.0, eta=0.2, generator=seeded(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_packet_says_what_the_training_pass_computed(system):
    """Real streams and the differentiable pass must agree on the latent."""
    image, saliency = torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64)
    snr_db, eta = torch.tensor([10.0]), torch.tensor([0.2])
    with torch.no_grad():
        sent = system(image, saliency, snr_db, eta, channel=Noiseless())
    packet = system.send(image, 10.0, eta=0.2, saliency=saliency)
    plain = LRISC(TINY, decoder=Remembering())
    plain.load_state_dict(system.state_dict(), strict=False)
    plain.eval().receive(packet, 10.0)
    # The gain is one byte in the packet: the noise-free latent differs by that rounding alone.
    assert torch.allclose(plain.decoder.y_hat, sent.y_hat, rtol=0.05, atol=0.05)


class Remembering(torch.nn.Module):
    def decode(self, y_hat, *, image_size, generator=None, steps=None):
        self.y_hat = y_hat
        return torch.zeros(len(y_hat), 3, *image_size)

    def estimate(self, image, y_hat, *, generator=None):
        raise NotImplementedError


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 33), (64, 16)])
def test_any_size(system, size):
    image = torch.rand(1, 3, *size)
    assert system.transmit(image, 10.0, eta=0.2)[0].shape == image.shape


@pytest.mark.parametrize("snr_db", [1.0, 19.0])
def test_a_bandwidth_is_kept(system, snr_db):
    busy = torch.linspace(0, 1, 128)  # from a flat left to a noisy right
    image = 0.5 + busy * (torch.rand(1, 3, 128, 128, generator=seeded()) - 0.5)
    packet = system.send(image, snr_db, cbr=0.015)
    assert 0.8 * 0.015 < packet.cbr(snr_db) <= 0.015


def test_more_bandwidth_or_a_larger_eta_sends_more(system, image):
    sizes = [system.send(image, 10.0, eta=eta).symbols.numel() for eta in (0.05, 0.1, 0.2)]
    assert sizes == sorted(set(sizes))


def test_a_bandwidth_too_small_for_the_side_information(system, image):
    with pytest.raises(ValueError, match="large enough for the side information"):
        system.send(image, 10.0, cbr=0.0001)


def test_the_roi_gets_more_symbols(system):
    generator = seeded()
    image = torch.rand(1, 3, 64, 128, generator=generator)
    saliency = torch.zeros(1, 1, 64, 128)
    saliency[..., :64] = 1
    with torch.no_grad():
        source = system.encode(image, saliency)
        flat = system.encode(image, saliency, alpha=1.0)
    inside, outside = source.prior.token_bits.split(4, dim=2)
    assert inside.mean() > 1.2 * outside.mean()
    inside, outside = flat.prior.token_bits.split(4, dim=2)
    assert inside.mean() == pytest.approx(outside.mean().item(), rel=0.1)


def test_an_image_does_not_depend_on_its_batch_neighbours(system):
    images, saliency = torch.rand(3, 3, 64, 64), torch.rand(3, 1, 64, 64)
    images[1] *= 0.1  # a neighbour of another power
    snr_db, eta = torch.tensor([1.0, 10.0, 19.0]), torch.tensor([0.1, 0.2, 0.3])
    with torch.no_grad():
        together = system(images, saliency, snr_db, eta, channel=Noiseless()).y_hat
        alone = system(images[:1], saliency[:1], snr_db[:1], eta[:1], channel=Noiseless()).y_hat
    assert torch.allclose(together[:1], alone, atol=1e-4)


def test_gradients_reach_every_component(system):
    system = LRISC(TINY).train()
    image, saliency = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    sent = system(image, saliency, torch.full((2,), 10.0), torch.full((2,), 0.2), channel=AWGN())
    estimate = system.decoder.estimate(image, sent.y_hat)
    ((estimate.image - image).square().mean() + sent.rate.mean()).backward()
    for name in ("smooth_mask", "g_a", "hyperprior", "jscc_encoder", "jscc_decoder", "decoder"):
        gradients = [
            p.grad
            for p in system.get_submodule(name).parameters()
            if p.grad is not None and p.numel()
        ]
        assert any(gradient.abs().max() > 0 for gradient in gradients), name


def test_another_decoder(system, image):
    other = LRISC(TINY, decoder=SynthesisDecoder(system.decoder.base))
    other.load_state_dict(system.state_dict(), strict=False)
    packet = cross_channel(system.send(image, 10.0, eta=0.2), 10.0, generator=seeded())
    # One step of an untrained diffusion decoder is its base image.
    assert torch.allclose(
        other.eval().receive(packet, 10.0), system.receive(packet, 10.0), atol=1e-4
    )


def test_a_packet_of_another_model(system, image):
    torch.manual_seed(5)
    other = LRISC(TINY).eval()
    other.hyperprior.update()
    with pytest.raises(PacketError, match="another model"):
        other.receive(system.send(image, 10.0), 10.0)


def test_a_packet_that_lacks_symbols(system, image):
    packet = system.send(image, 10.0)
    with pytest.raises(PacketError, match="symbols"):
        system.receive(replace(packet, symbols=packet.symbols[:-1]), 10.0)


def test_a_packet_must_bring_the_bytes_that_its_size_takes(system, image):
    """Nothing is allocated for a size that the z stream is too short for."""
    packet = system.send(image, 10.0, eta=0.1)
    for side in (8192, 65535):
        empty = replace(packet, image_size=(side, side), symbols=packet.symbols[:0])
        started = time.perf_counter()
        with pytest.raises(PacketError, match=r"damaged packet: .* expected at least"):
            system.receive(empty, 10.0)
        assert time.perf_counter() - started < 1.0
    many = replace(packet, symbols=packet.symbols.repeat(100))
    with pytest.raises(PacketError, match=r"expected 0 to \d+ symbols for an image of 70 x 50"):
        system.receive(many, 10.0)


def test_damaged_side_information_is_a_packet_error(system, image):
    packet = system.send(image, 10.0, eta=0.1)
    for stream in (b"", packet.z_stream[:-4], b"\xff" * len(packet.z_stream), bytes(64)):
        with pytest.raises(PacketError, match="damaged packet"):
            system.receive(replace(packet, z_stream=stream), 10.0)
    with pytest.raises(PacketError):
        system.receive(replace(packet, rate_stream=packet.rate_stream + b"\xff" * 9), 10.0)


def test_the_largest_symbols_and_the_smallest_gain_give_an_image(system, image):
    packet = system.send(image, 10.0, eta=0.1)
    loud = replace(packet, symbols=torch.full_like(packet.symbols, 7e3), gain_code=0)
    received = system.receive(loud, 40.0)
    assert received.isfinite().all()


def test_an_image_that_is_not_finite_is_a_packet_error(system, image):
    packet = system.send(image, 10.0, eta=0.1)
    broken = LRISC(TINY, decoder=Remembering())
    broken.load_state_dict(system.state_dict(), strict=False)
    broken.eval().jscc_decoder.register_forward_hook(lambda *_: _[-1] * torch.nan)
    with pytest.raises(PacketError, match="values that are not finite"):
        broken.receive(packet, 10.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_models_of_another_precision_say_which_do(system, image, dtype):
    other = copy.deepcopy(system).to(dtype)
    packet = system.send(image, 10.0)
    for use in (lambda: other.send(image, 10.0), lambda: other.receive(packet, 10.0)):
        with pytest.raises(ValueError, match=r"expected a model in torch\.float32, got torch\."):
            use()


def test_the_packet_holds_all_that_the_receiver_needs(system, image, tmp_path):
    packet = Packet.from_bytes(system.send(image, 10.0).to_bytes())
    assert system.receive(packet, 10.0).shape == image.shape


@pytest.mark.parametrize("snr_db", [float("nan"), float("inf"), -50.0, 200.0])
def test_wrong_snr(system, image, snr_db):
    with pytest.raises(ValueError, match="expected an SNR"):
        system.send(image, snr_db)
    with pytest.raises(ValueError, match="expected an SNR"):
        check_snr_db(snr_db)


def test_wrong_arguments(system, image):
    with pytest.raises(ValueError, match="one image"):
        system.send(image[0], 10.0)
    with pytest.raises(ValueError, match="got both"):
        system.send(image, 10.0, eta=0.2, cbr=0.02)
    with pytest.raises(RuntimeError, match="evaluation mode"):
        LRISC(TINY).send(image, 10.0)


def test_nothing_is_sent_beyond_a_tokens_rate(system):
    image, saliency = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    with torch.no_grad():
        source = system.encode(image, saliency)
        rate_index = torch.tensor([[[0, 1, 2, 3]] * 4])
        symbols, _ = system._modulate(source, rate_index, torch.tensor([10.0]))
    assert (symbols[~active_mask(rate_index, levels=TINY.codec.levels)] == 0).all()
    power = symbols.square().sum() / (active_mask(rate_index, levels=TINY.codec.levels).sum() / 2)
    assert power.item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("number", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("name", ["eta", "cbr"])
def test_eta_and_cbr_are_numbers_above_0(system, image, name, number):
    with pytest.raises(ValueError, match=f"expected {name} above 0, got"):
        system.send(image, 10.0, **{name: number})


@pytest.mark.parametrize("number", [10, np.float64(10), np.array([10.0]), torch.tensor(10)])
def test_any_number_is_an_snr(system, image, number):
    expected = system.send(image, 10.0, eta=0.2).symbols
    assert torch.equal(system.send(image, number, eta=0.2).symbols, expected)
    assert check_snr_db(number).dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"snr_db": [1.0, 2.0]}, r"one SNR in dB, a number, got \[1.0, 2.0\]"),
        ({"snr_db": torch.tensor([1.0, 2.0])}, "one SNR in dB, a number, got tensor"),
        ({"snr_db": "ten"}, "one SNR in dB, a number, got 'ten'"),
        ({"snr_db": math.nan}, r"an SNR in \[-20, 40\] dB, got nan"),
        ({"alpha": -1.0}, r"alpha in \[0, 1\], got -1"),
        ({"alpha": math.nan}, r"alpha in \[0, 1\], got nan"),
        ({"image": torch.zeros(1, 3, 1, 70_000)}, "sides of 1 to 65535 pixels, got 1 x 70000"),
        (
            {"image": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)},
            "an image of floating-point numbers, got",
        ),
        ({"image": torch.full((1, 3, 8, 8), math.nan)}, r"an image in \[0, 1\], got values"),
        ({"image": torch.full((1, 3, 8, 8), 255.0)}, r"an image in \[0, 1\], got values in \[255"),
        (
            {"saliency": torch.ones(1, 1, 8, 9)},
            r"a saliency map \(1, 1, 8, 8\), got \(1, 1, 8, 9\)",
        ),
        ({"saliency": torch.full((1, 1, 8, 8), 2.0)}, r"a saliency map in \[0, 1\], got"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(system, change, message):
    options = {"image": torch.zeros(1, 3, 8, 8), "snr_db": 10.0, **change}
    with pytest.raises(ValueError, match=f"expected {message}"):
        system.send(options.pop("image"), options.pop("snr_db"), **options)


def test_steps_are_counted_from_one(system, image):
    packet = system.send(image, 10.0)
    with pytest.raises(ValueError, match="expected steps of at least 1, got 0"):
        system.receive(packet, 10.0, steps=0)


def test_a_decoder_gives_the_image_that_was_asked_for(system):
    packet = system.send(torch.zeros(1, 3, 17, 33), 10.0)
    whole = LRISC(TINY, decoder=Uncropped())
    whole.load_state_dict(system.state_dict(), strict=False)
    message = r"expected an image \(1, 3, 17, 33\) from Uncropped.decode, got \(1, 3, 32, 48\)"
    with pytest.raises(ValueError, match=message):
        whole.eval().receive(packet, 10.0)


class Uncropped(Remembering):
    def decode(self, y_hat, *, image_size, generator=None, steps=None):
        height, width = y_hat.shape[-2:]
        return torch.zeros(len(y_hat), 3, 16 * height, 16 * width)


def test_a_packet_that_lost_its_z(system, image):
    """It is decoded with another prior, so the picture differs; a plain hyperprior cannot."""
    packet = system.send(image, 10.0, eta=0.2)
    lost = replace(packet, z_stream=None)
    whole, guess = (system.receive(p, 10.0, generator=seeded()) for p in (packet, lost))
    assert guess.shape == whole.shape
    with pytest.raises(ValueError, match="expected a packet with z"):
        lost.to_bytes()
    other = LRISC(TINY, hyperprior=_OnlyWhatIsAsked(system.hyperprior)).eval()
    lost = replace(lost, fingerprint=other.fingerprint())
    with pytest.raises(PacketError, match="the packet lost its z"):
        other.receive(lost, 10.0)


class _OnlyWhatIsAsked(torch.nn.Module):
    """A hyperprior of one's own, without optional methods."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, y, *, generator=None):
        return self.inner(y, generator=generator)

    def compress(self, y):
        return self.inner.compress(y)

    def decompress(self, strings, *, latent_size):
        return self.inner.decompress(strings, latent_size=latent_size)


def test_what_a_packet_costs_may_be_told(system, image):
    """Of a whole frame, for example: here twice what ideal codes take."""
    ideal = system.send(image, 10.0, cbr=0.03)
    dear = system.send(image, 10.0, cbr=0.03, channel_uses=lambda p: 2 * p.channel_uses(10.0))
    assert 0.6 * 0.015 < dear.cbr(10.0) <= 0.015
    assert 0.8 * 0.03 < ideal.cbr(10.0) <= 0.03
