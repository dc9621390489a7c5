import pytest
import torch

from jscc_ratetoken import SNRIdentity
from lrisc_system.config import TINY
from lrisc_system.decoders import SynthesisDecoder
from lrisc_system.evaluation.links.ablations import (
    require_steps,
    with_one_rate,
    without_diffusion,
    without_snr_module,
)
from lrisc_system.evaluation.links.link import UnavailableError
from lrisc_system.evaluation.links.registry import LINKS, make_links
from lrisc_system.packets.rate_map import decode_rates
from lrisc_system.system import LRISC

IMAGE = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(0))
EVERYTHING = torch.ones(1, 1, 48, 64)


def rates(system):
    packet = system.send(IMAGE, 10.0, cbr=0.02, saliency=EVERYTHING)
    return decode_rates(packet.rate_stream, size=(3, 4), levels=len(TINY.codec.levels))


def test_one_rate_for_all_tokens(system):
    assert len(rates(system).unique()) > 1
    assert len(rates(with_one_rate(system)).unique()) == 1


def test_one_rate_keeps_the_weights(system):
    assert with_one_rate(system).fingerprint() == system.fingerprint()


def test_no_feature_depends_on_the_snr(system):
    changed = without_snr_module(system)
    adapters = (changed.jscc_encoder.snr_adapter, changed.jscc_decoder.snr_adapter)
    assert all(isinstance(adapter, SNRIdentity) for adapter in adapters)
    assert not isinstance(system.jscc_encoder.snr_adapter, SNRIdentity)


def test_without_diffusion_the_image_is_that_of_g_s(system):
    changed = without_diffusion(system)
    y_hat = torch.randn(1, 32, 3, 4, generator=torch.Generator().manual_seed(0))
    image = changed.decoder.decode(y_hat, image_size=(48, 64))
    assert torch.equal(image, system.decoder.base(y_hat).clamp(0, 1))


def test_a_decoder_without_g_s_has_no_such_ablation():
    system = LRISC(TINY, decoder=SynthesisDecoder(torch.nn.Identity()))
    with pytest.raises(UnavailableError, match="no synthesis transform"):
        without_diffusion(system)


class OneShot(torch.nn.Module):
    """Decodes at once."""

    def decode(self, y_hat, *, image_size, generator=None):
        return torch.zeros(len(y_hat), 3, *image_size)

    def estimate(self, image, y_hat, *, generator=None):
        raise NotImplementedError


def test_a_decoder_that_takes_no_steps_has_no_such_ablation(system):
    assert require_steps(system) is system
    with pytest.raises(UnavailableError, match="does not sample in several steps"):
        require_steps(LRISC(TINY, decoder=OneShot()))


def test_a_codec_without_snr_module_has_no_such_ablation():
    system = LRISC(TINY, jscc_encoder=torch.nn.Identity())
    with pytest.raises(UnavailableError, match="jscc_encoder has no SNR adaptive module"):
        without_snr_module(system)


@pytest.mark.parametrize("name", [name for name, kind in LINKS.items() if kind.named_only])
def test_every_ablation_transmits_another_image(settings, change, name):
    chosen = change(settings, links=("lrisc", name))
    images = [
        link.transmit(
            IMAGE,
            10.0,
            cbr=0.02,
            saliency=0.0 * EVERYTHING,
            generator=torch.Generator().manual_seed(0),
        ).image
        for link in make_links(chosen, device=torch.device("cpu"), say=print).values()
    ]
    if name == "no-snr-module":  # it starts as the identity, and these weights are untrained
        assert torch.equal(*images)
    else:
        assert not torch.equal(*images)
