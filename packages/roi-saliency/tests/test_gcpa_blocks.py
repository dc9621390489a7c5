import pytest
import torch
from torch import nn

from roi_saliency import (
    FeatureInterweavedAggregation,
    GlobalContextFlow,
    HeadAttention,
    SelfRefinement,
)
from roi_saliency.gcpa_blocks import ChannelGate

FEATURES = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def set_constant(layer: nn.Conv2d | nn.Linear, value) -> None:
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.bias.copy_(torch.as_tensor(value))


def test_self_refinement_by_hand():
    # A predicted gain of 2 and shift of -1 everywhere: ReLU(2 f - 1) of the squeezed features.
    block = SelfRefinement(3, 2).eval()
    set_constant(block.gain_shift, [2.0, 2.0, -1.0, -1.0])
    squeezed = block.squeeze(FEATURES)
    torch.testing.assert_close(block(FEATURES), (2 * squeezed - 1).clamp_min(0))


def test_channel_gate_by_hand():
    # Two channels with means 1 and 3; first layer their sum, second layer minus that: sigmoid(-4).
    gate = ChannelGate(2, 1)
    nn.init.ones_(gate.layers[0].weight)
    nn.init.zeros_(gate.layers[0].bias)
    nn.init.constant_(gate.layers[2].weight, -1.0)
    nn.init.zeros_(gate.layers[2].bias)
    features = torch.stack([torch.ones(4, 4), torch.full((4, 4), 3.0)])[None]
    assert gate(features).shape == (1, 1, 1, 1)
    assert gate(features).item() == pytest.approx(0.0179862)  # 1 / (1 + e^4)


@pytest.mark.parametrize(
    ("block", "gate", "ungated"),
    [
        (head := HeadAttention(3, 4).eval(), head.what, head.where),
        (flow := GlobalContextFlow(3, 4).eval(), flow.gate, flow.squeeze),
    ],
)
def test_an_undecided_gate_halves(block, gate, ungated):
    set_constant(gate.layers[2], 0.0)  # sigmoid(0) = 1/2
    torch.testing.assert_close(block(FEATURES), ungated(FEATURES) / 2)


def test_aggregation_by_hand():
    # Constant masks of 1, 2 and 3; the merge sees [low, 2 high, 3 low].
    block = FeatureInterweavedAggregation(3, 1).eval()
    set_constant(block.mask_from_high, 1.0)
    set_constant(block.mask_from_low, 2.0)
    set_constant(block.mask_from_context, 3.0)
    seen = []
    block.merge.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    high = torch.full((2, 1, 2, 2), 5.0)
    merged = block(FEATURES, high, torch.rand(2, 1, 1, 1))
    low = block.squeeze(FEATURES)
    assert merged.shape == (2, 1, 4, 4)
    torch.testing.assert_close(
        seen[0], torch.cat([low, torch.full((2, 1, 4, 4), 10.0), 3 * low], dim=1)
    )


def test_no_context_and_nothing_decoded_leave_nothing():
    block = FeatureInterweavedAggregation(3, 2).eval()
    for layer in (block.mask_from_high, block.mask_from_low, block.mask_from_context):
        nn.init.zeros_(layer.bias)
    seen = []
    block.merge.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    block(FEATURES, torch.zeros(2, 2, 2, 2), torch.zeros(2, 2, 1, 1))
    assert torch.equal(seen[0], torch.zeros(2, 6, 4, 4))
