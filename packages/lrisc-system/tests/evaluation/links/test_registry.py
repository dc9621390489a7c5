from dataclasses import replace

import pytest
import torch

from lrisc_system.baselines import DeepJSCC, DeepJSCCConfig
from lrisc_system.commands.demo import PHOTO
from lrisc_system.data.images import load_image
from lrisc_system.evaluation import EvaluateSettings, OutOfReachError
from lrisc_system.evaluation.links import registry as registry_module
from lrisc_system.evaluation.links.link import UnavailableError
from lrisc_system.evaluation.links.registry import LINKS, MATCHED, LinkKind, make_links
from lrisc_system.evaluation.settings import SHIPPED_DEEPJSCC
from lrisc_system.metrics.quality import psnr
from lrisc_system.radio.fading import Fading
from lrisc_system.storage.files import hash_file
from lrisc_system.storage.tensors import CheckpointError
from lrisc_system.training.validation import centre_crop

CPU = torch.device("cpu")


def silent(line):
    raise AssertionError(line)


def test_the_help_names_every_link():
    assert all(name in EvaluateSettings.__doc__ for name in LINKS)


def test_lines_differ_by_colour_or_are_bounds():
    shown = [(kind.colour, kind.bound) for kind in LINKS.values()]
    assert len(set(shown)) == len(shown)


def test_named_links_are_made_in_order(settings, checkpoint):
    links = make_links(replace(settings, links=("linear", "lrisc")), device=CPU, say=silent)
    assert list(links) == ["linear", "lrisc"]
    assert links["lrisc"].identity["weights"] == hash_file(checkpoint / "model.safetensors")


def test_the_linear_link_serves_every_bandwidth(settings):
    link = make_links(replace(settings, links=("linear",)), device=CPU, say=silent)["linear"]
    for cbr in (1 / 96, 0.017, 1 / 48, 1 / 32, 1 / 24, 1 / 16, 0.1):
        assert link.nearest_cbr((512, 768), cbr=cbr, snr_db=10.0) == pytest.approx(cbr, rel=0.03)


def test_lrisc_is_compared_at_the_bandwidth_of_a_padded_deepjscc(settings, tmp_path):
    DeepJSCC(DeepJSCCConfig(reals_per_token=16, widths=(4, 4, 8, 16))).save_pretrained(tmp_path)
    chosen = replace(settings, links=("lrisc", "deepjscc"), deepjscc=tmp_path)
    assert list(make_links(chosen, device=CPU, say=silent)) == ["lrisc", "deepjscc"]
    links = make_links(chosen, device=CPU, say=silent, padded=True)
    assert list(links) == ["lrisc", "deepjscc", MATCHED]
    image = torch.rand(1, 3, 40, 56)  # padded to 48 x 64
    own, matched = (
        links[name].transmit(
            image,
            10.0,
            cbr=1 / 96,
            saliency=image[:, :1],
            generator=torch.Generator().manual_seed(0),
        )
        for name in ("deepjscc", MATCHED)
    )
    assert own.cbr > 1.3 / 96
    assert 0.9 * own.cbr < matched.cbr <= own.cbr
    with pytest.raises(OutOfReachError, match="expected a CBR for a matched link"):
        links[MATCHED].transmit(
            image, 10.0, cbr=None, saliency=image[:, :1], generator=torch.Generator()
        )


def test_deepjscc_comes_from_a_folder_of_models(settings, tmp_path):
    for reals in (8, 16):
        model = DeepJSCC(DeepJSCCConfig(reals_per_token=reals, widths=(4, 4, 8, 16)))
        model.save_pretrained(tmp_path / "models" / str(reals))
    chosen = replace(settings, links=("deepjscc",), deepjscc=tmp_path / "models")
    link = make_links(chosen, device=CPU, say=silent)["deepjscc"]
    assert [model.config.reals_per_token for model in link.models] == [16, 8]
    assert len(link.identity["weights"]) == 2
    DeepJSCC(DeepJSCCConfig(reals_per_token=8, widths=(4, 4, 8, 16))).save_pretrained(
        tmp_path / "models" / "again"
    )
    with pytest.raises(ValueError, match="one model a bandwidth"):
        make_links(chosen, device=CPU, say=silent)


def test_the_deepjscc_that_ship_beat_the_linear_link(settings):
    """At its own bandwidth, 10 dB, on the photo of the demo: a baseline worth comparing with."""
    photo = centre_crop(load_image(PHOTO), size=256)
    chosen = replace(settings, links=("deepjscc", "linear"), deepjscc=SHIPPED_DEEPJSCC)
    links = make_links(chosen, device=CPU, say=silent)
    for model in links["deepjscc"].models:
        cbr = model.cbr((256, 256), snr_db=10.0)
        deepjscc, linear = (
            link.transmit(
                photo,
                10.0,
                cbr=cbr,
                saliency=photo[:, :1],
                generator=torch.Generator().manual_seed(0),
            )
            for link in links.values()
        )
        assert deepjscc.cbr == pytest.approx(linear.cbr)
        assert psnr(photo, deepjscc.image) > psnr(photo, linear.image) + 0.5


def unavailable(settings, device, open_model):
    raise UnavailableError("no radio")


def test_what_is_not_possible_is_left_out_or_refused(settings, monkeypatch):
    kinds = {
        "no-roi": LINKS["no-roi"],
        "linear": LINKS["linear"],
        "radio": LinkKind("radio", "red", unavailable),
    }
    monkeypatch.setattr(registry_module, "LINKS", kinds)
    said = []
    links = make_links(replace(settings, links=()), device=CPU, say=said.append)
    assert list(links) == ["linear"]
    assert said == ["radio is left out: no radio"]
    with pytest.raises(ValueError, match="the link radio is not possible: no radio"):
        make_links(replace(settings, links=("linear", "radio")), device=CPU, say=silent)


def test_one_fading_for_an_image_has_no_capacity(settings):
    chosen = replace(settings, links=("ideal-420",), fading=Fading.block)
    with pytest.raises(ValueError, match="one fading for a whole image has no ergodic capacity"):
        make_links(chosen, device=CPU, say=silent)


def test_a_named_model_is_opened_by_what_is_handed_in(settings, system):
    asked = []

    def open_model(name, folder):
        asked.append((name, folder))
        return system

    chosen = replace(settings, links=("lrisc",), model="mine:make")
    link = make_links(chosen, device=CPU, say=silent, open_model=open_model)["lrisc"]
    assert link.system is system
    assert link.identity["model"] == "mine:make"
    assert asked == [("mine:make", settings.checkpoint)]
    with pytest.raises(ValueError, match="expected `open_model` to open the model 'mine:make'"):
        make_links(chosen, device=CPU, say=silent)


def test_mistakes_are_refused(settings, tmp_path):
    with pytest.raises(ValueError, match=r"expected links of lrisc, lrisc-coded, .*, got 'radio'"):
        make_links(replace(settings, links=("radio",)), device=CPU, say=silent)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        make_links(replace(settings, links=(), checkpoint=tmp_path), device=CPU, say=silent)
    with pytest.raises(ValueError, match="trained DeepJSCC in or below"):
        make_links(
            replace(settings, links=("deepjscc",), deepjscc=tmp_path), device=CPU, say=silent
        )
