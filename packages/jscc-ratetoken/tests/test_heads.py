import pytest
import torch

from jscc_ratetoken.heads import InverseRateHeads, RateHeads

LEVELS = (0, 2, 4, 6)
WIDTH = 8


def one_by_one(vectors, rate_index, weights, width):
    """Eq. (7)'s last layer token by token, with nothing grouped."""
    rows = []
    for vector, rate in zip(vectors.flatten(0, 1), rate_index.flatten(), strict=True):
        weight = weights[rate]
        row = weight @ vector[: weight.shape[1]]
        rows.append(torch.cat([row, row.new_zeros(width - len(row))]))
    return torch.stack(rows).view(*rate_index.shape, width)


def test_encoder_heads_start_as_selection_of_the_leading_channels():
    tokens = torch.arange(1.0, 9).expand(1, 4, 8)
    stream = RateHeads(WIDTH, LEVELS)(tokens, torch.tensor([[1, 0, 3, 2]]))
    assert stream.tolist() == [
        [[1, 2, 0, 0, 0, 0], [0] * 6, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 0, 0]]
    ]


def test_decoder_heads_start_as_the_transposed_selection():
    stream = torch.arange(1.0, 7).expand(1, 4, 6)
    tokens = InverseRateHeads(WIDTH, LEVELS)(stream, torch.tensor([[1, 0, 3, 2]]))
    assert tokens.tolist() == [
        [
            [1, 2, 0, 0, 0, 0, 0, 0],
            [0] * 8,
            [1, 2, 3, 4, 5, 6, 0, 0],
            [1, 2, 3, 4, 0, 0, 0, 0],
        ]
    ]


@pytest.mark.parametrize(
    ("heads", "read", "written"), [(RateHeads, 8, 6), (InverseRateHeads, 6, 8)]
)
def test_grouping_equals_one_matrix_per_token(trained, heads, read, written):
    module = trained(heads(WIDTH, LEVELS))
    vectors = torch.randn(3, 5, read, requires_grad=True)
    rate_index = torch.randint(4, (3, 5), generator=torch.Generator().manual_seed(3))
    expected = one_by_one(vectors, rate_index, list(module.weights), written)
    result = module(vectors, rate_index)
    torch.testing.assert_close(result, expected)

    target = torch.randn_like(expected)
    variables = [vectors, *module.weights]
    torch.testing.assert_close(
        torch.autograd.grad((result * target).sum(), variables),
        torch.autograd.grad((expected * target).sum(), variables, materialize_grads=True),
    )


def test_rates_that_no_token_uses_are_harmless():
    module = RateHeads(WIDTH, LEVELS)
    module(torch.randn(2, 3, WIDTH), torch.full((2, 3), 2)).square().sum().backward()
    assert [bool((weight.grad != 0).any()) for weight in module.weights] == [
        False,
        False,
        True,
        False,
    ]
    torch.optim.Adam(module.parameters()).step()
    assert all(bool(weight.isfinite().all()) for weight in module.weights)


def test_the_signal_stays_float32_under_autocast():
    tokens = 1 + torch.rand(1, 4, WIDTH) / 1000  # bfloat16 would round these to 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        stream = RateHeads(WIDTH, LEVELS)(tokens, torch.full((1, 4), 3))
    assert torch.equal(stream, tokens[..., :6])


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match="expected rate_index below 4, got 4"):
        RateHeads(WIDTH, LEVELS)(torch.ones(1, 1, WIDTH), torch.tensor([[4]]))
    with pytest.raises(ValueError, match="up to the width 4, got 6"):
        RateHeads(4, LEVELS)
    with pytest.raises(ValueError, match="up to the width 4, got 6"):
        InverseRateHeads(4, LEVELS)
