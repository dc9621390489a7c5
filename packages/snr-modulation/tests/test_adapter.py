"""The whole adapter: eight layers, seven SM modules, one gate."""

import math

import pytest
import torch
from torch import Tensor

from snr_modulation import SNRAdapter

SNRS = torch.tensor([1.0, 10.0, 19.0])


@pytest.fixture
def adapter() -> SNRAdapter:
    torch.manual_seed(0)
    return SNRAdapter(6)


def test_gate_by_hand() -> None:
    # C = 1, H = 1 (int(1.5)). Layer weights 1, biases 0; SM weights 0, so each factor is 1/2:
    # the gate of x = 2 is sigmoid(2 / 2**7) = sigmoid(1/64), the output 2 * sigmoid(1/64).
    adapter = SNRAdapter(1)
    for layer in adapter.layers:
        torch.nn.init.ones_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    for parameter in adapter.modulations.parameters():
        torch.nn.init.zeros_(parameter)
    out = adapter(torch.full((1, 1, 1), 2.0), 10.0)
    assert out.item() == pytest.approx(2 / (1 + math.exp(-1 / 64)), abs=1e-6)


def test_structure(adapter: SNRAdapter) -> None:
    # Eight layers, seven SM modules, H = int(1.5 * 6) = 9 (SPEC, SNR adaptive module).
    shapes = [(layer.in_features, layer.out_features) for layer in adapter.layers]
    assert shapes == [(6, 9), *[(9, 9)] * 6, (9, 6)]
    assert [modulation.width for modulation in adapter.modulations] == [9] * 7


def test_map_equals_its_tokens(adapter: SNRAdapter) -> None:
    image_map = torch.randn(3, 6, 2, 5)
    tokens = image_map.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, H*W, C)
    out = adapter(image_map, SNRS).flatten(2).transpose(1, 2)
    torch.testing.assert_close(out, adapter(tokens, SNRS))


def test_samples_do_not_meet(adapter: SNRAdapter) -> None:
    features = torch.randn(3, 4, 6)
    together = adapter(features, SNRS)
    for i in range(3):
        alone = adapter(features[i : i + 1], SNRS[i].item())
        torch.testing.assert_close(together[i : i + 1], alone)
    assert not torch.allclose(together[1:2], adapter(features[1:2], 1.0))


@pytest.mark.parametrize("shape", [(3, 4, 6), (3, 6, 2, 5)])
def test_identity_is_exact_and_learns(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    adapter = SNRAdapter(6, identity=True)
    features = torch.randn(shape)
    assert torch.equal(adapter(features, SNRS), features)
    optimizer = torch.optim.SGD(adapter.parameters(), lr=0.1)
    for _ in range(2):  # the first step moves the last layer, the second reaches all the others
        optimizer.zero_grad()
        adapter(features, SNRS).square().mean().backward()
        optimizer.step()
    dead = [n for n, p in adapter.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []
    assert not torch.equal(adapter(features, SNRS), features)


def test_signal_and_snr_survive_all_layers() -> None:
    # The start must let both the features and the SNR reach the gate, not the biases alone.
    torch.manual_seed(0)
    adapter = SNRAdapter(64)
    features = torch.randn(2, 128, 64)
    gate = adapter.gate(features, torch.tensor([1.0, 1.0]))
    other = adapter.gate(features, torch.tensor([19.0, 19.0]))
    assert gate.std(dim=1).mean() > 0.02
    assert (gate - other).std() > 0.02


def test_detach_cuts_the_gate_path_only() -> None:
    torch.manual_seed(0)
    features = torch.randn(1, 2, 4, requires_grad=True)
    adapter = SNRAdapter(4)
    (gradient,) = torch.autograd.grad(adapter(features, 5.0).sum(), features)
    torch.testing.assert_close(gradient, adapter.gate(features, torch.tensor([5.0])))
    adapter.detach_input = False
    (through_both,) = torch.autograd.grad(adapter(features, 5.0).sum(), features)
    assert not torch.allclose(through_both, gradient)


@pytest.mark.parametrize("identity", [False, True])
def test_gradient_in_double_precision(identity: bool) -> None:
    torch.manual_seed(0)
    adapter = SNRAdapter(2, identity=identity, detach_input=False).double()
    features = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    snr_db = torch.tensor([2.0, 12.0], dtype=torch.float64, requires_grad=True)
    parameters = tuple(adapter.parameters())

    def run(features: Tensor, snr_db: Tensor, *_: Tensor) -> Tensor:
        return adapter(features, snr_db)

    assert torch.autograd.gradcheck(run, (features, snr_db, *parameters))


def test_errors(adapter: SNRAdapter) -> None:
    with pytest.raises(ValueError, match=r"\(B, N, 6\) or \(B, 6, H, W\), got \(3, 4, 5\)"):
        adapter(torch.zeros(3, 4, 5), 10.0)
    with pytest.raises(ValueError, match=r"got \(3, 2, 2, 6\)"):
        adapter(torch.zeros(3, 2, 2, 6), 10.0)
    with pytest.raises(ValueError, match=r"expected snr_db \(\) or \(3,\), got \(1,\)"):
        adapter(torch.zeros(3, 4, 6), torch.tensor([10.0]))
    with pytest.raises(ValueError, match="width of at least 1, got 0"):
        SNRAdapter(0)
    with pytest.raises(ValueError, match="hidden of at least 1, got 0"):
        SNRAdapter(4, hidden=0)
