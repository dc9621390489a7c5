"""LPIPS against its formula written out."""

import warnings
from pathlib import Path

import lpips
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from lrisc_system.metrics.backbones import BACKBONES
from lrisc_system.metrics.lpips import lpips_network


@pytest.fixture(scope="module")
def alex():
    return lpips_network("alex")


def pair(height, width, *, batch=1):
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(batch, 3, height, width, generator=generator)
    noise = 0.1 * torch.randn(x.shape, generator=generator)
    return x, (x + noise).clamp(0, 1)


def by_hand(x, x_hat):
    """Zhang et al. 2018, Eq. (1), on AlexNet: five ReLU layers, unit length, linear weights."""
    weights = {k: v.float() for k, v in load_file(BACKBONES["alex"].shipped).items()}
    file = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
    linear = list(torch.load(file, map_location="cpu", weights_only=True).values())
    shift = torch.tensor([-0.030, -0.088, -0.188]).reshape(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).reshape(1, 3, 1, 1)

    def layers(image):
        h = (2 * image - 1 - shift) / scale
        for index, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
            if index in (3, 6):
                h = F.max_pool2d(h, 3, 2)
            w, b = weights[f"features.{index}.weight"], weights[f"features.{index}.bias"]
            h = F.relu(F.conv2d(h, w, b, stride=stride, padding=padding))
            yield h / h.norm(dim=1, keepdim=True)

    return sum(
        ((f - g) ** 2 * w).sum(dim=1).mean()
        for f, g, w in zip(layers(x), layers(x_hat), linear, strict=True)
    )


def test_equals_the_formula_and_a_pinned_value(alex):
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    x = torch.stack([rows, columns, rows + columns])[None] / 126
    x_hat = x.flip(-1)
    torch.testing.assert_close(alex(x, x_hat)[0], by_hand(x, x_hat), atol=1e-6, rtol=1e-5)
    assert alex(x, x_hat).item() == pytest.approx(0.21482, abs=2e-5)


def test_zero_symmetric_and_rising_with_noise(alex):
    x, x_hat = pair(64, 64)
    assert alex(x, x).item() == 0
    assert alex(x, x_hat).item() == alex(x_hat, x).item()
    assert alex(x, x_hat) < alex(x, x + 3 * (x_hat - x))


def test_a_pair_does_not_depend_on_its_neighbours(alex):
    x, x_hat = pair(64, 48, batch=3)
    torch.testing.assert_close(alex(x, x_hat)[1:2], alex(x[1:2], x_hat[1:2]))


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (31, 31)])
def test_small_images_have_a_distance(alex, size):
    x, x_hat = pair(*size)
    assert alex(x, x).item() == 0
    assert 0 < alex(x, x_hat).item() < 2


def test_gradient_reaches_the_image_and_not_the_network(alex):
    x, x_hat = pair(48, 48)
    x_hat.requires_grad_()
    alex(x, x_hat).sum().backward()
    assert x_hat.grad.abs().max() > 0
    assert not any(p.requires_grad for p in alex.parameters())


def test_gradient_is_finite_where_features_are_all_zero():
    """The slope of a zero vector's length is infinite; masked images have black areas."""
    silent = lpips_network("alex")
    for layer in silent.network.net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.bias.fill_(-1e3)  # no unit ever fires
    x, x_hat = pair(48, 48)
    x_hat.requires_grad_()
    silent(x, x_hat).sum().backward()
    assert torch.equal(x_hat.grad, torch.zeros_like(x))


def test_stays_in_evaluation_mode(alex):
    holder = nn.ModuleList([alex]).train()
    assert not any(m.training for m in holder[0].modules())
    x, x_hat = pair(48, 48)
    assert alex(x, x_hat).item() == alex(x, x_hat).item()


def test_autocast_does_not_touch_it(alex):
    x, x_hat = pair(48, 48)
    expected = alex(x, x_hat)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(alex(x, x_hat), expected)


def test_building_prints_nothing_and_leaves_the_random_state(capfd):
    state = torch.random.get_rng_state()
    network = lpips_network("alex")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")
    tensors = [*network.parameters(), *network.buffers()]
    assert {(t.device.type, t.dtype) for t in tensors} == {("cpu", torch.float32)}


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_vgg_from_a_file(tmp_path, suffix):
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = lpips.pn.vgg16(pretrained=False).state_dict()
    generator = torch.Generator().manual_seed(0)
    weights = {
        "features." + name.split(".", 1)[1]: torch.randn(shape.shape, generator=generator)
        .mul_(0.02)
        .half()
        for name, shape in shapes.items()
    }
    path = tmp_path / f"vgg.{suffix}"
    save_file(weights, path) if suffix == "safetensors" else torch.save(weights, path)
    network = lpips_network("vgg", path)
    assert torch.equal(network.network.net.slice5[-2].weight, weights["features.28.weight"].float())
    x, x_hat = pair(32, 32)
    theirs = network.network(x, x_hat, normalize=True).flatten()
    torch.testing.assert_close(network(x, x_hat), theirs)


def test_errors_say_what_was_expected(tmp_path, alex, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=r"expected the backbone of LPIPS-vgg as a file"):
        lpips_network("vgg")
    with pytest.raises(ValueError, match="expected an LPIPS network of alex, vgg, got 'squeeze'"):
        lpips_network("squeeze")
    with pytest.raises(ValueError, match="there is none"):
        lpips_network("vgg", tmp_path / "gone.pth")
    (tmp_path / "bad.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="cannot read it"):
        lpips_network("alex", tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match=r"expected features\.0\.weight \(64, 3, 3, 3\), got \(64"):
        lpips_network("vgg", BACKBONES["alex"].shipped)
    with pytest.raises(ValueError, match=r"expected two images \(B, 3, H, W\)"):
        alex(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
