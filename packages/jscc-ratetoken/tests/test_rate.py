import pytest
import torch

from jscc_ratetoken.rate import (
    active_mask,
    allocate_rate,
    check_levels,
    reals_per_token,
    solve_eta,
    symbols_per_token,
)

LEVELS = (0, 4, 8, 16)


def total(token_bits, eta, levels=LEVELS):
    rate_index = allocate_rate(token_bits.unsqueeze(0), eta=eta, levels=levels)
    return int(reals_per_token(rate_index, levels=levels).sum())


def test_demand_goes_to_the_nearest_level_and_ties_go_down():
    # eta * bits = 1, 2, 2.05, 6, 11.9, 12, 12.5, 100 against the halves 2, 6, 12 of LEVELS.
    token_bits = torch.tensor([2.0, 4.0, 4.1, 12.0, 23.8, 24.0, 25.0, 200.0]).view(1, 2, 4)
    rate_index = allocate_rate(token_bits, eta=0.5, levels=LEVELS)
    assert rate_index.flatten().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert rate_index.shape == (1, 2, 4)
    assert rate_index.dtype == torch.int64


def test_each_image_may_have_its_own_eta():
    token_bits = torch.full((3, 1, 1), 10.0)
    rate_index = allocate_rate(token_bits, eta=torch.tensor([0.0, 0.4, 100.0]), levels=LEVELS)
    assert rate_index.flatten().tolist() == [0, 1, 3]


def test_reals_are_counted_twice_per_symbol():
    rate_index = torch.tensor([[[0, 1], [2, 3]]], dtype=torch.uint8)  # as a packet may store it
    assert reals_per_token(rate_index, levels=LEVELS).tolist() == [[[0, 4], [8, 16]]]
    assert symbols_per_token(rate_index, levels=LEVELS).tolist() == [[[0, 2], [4, 8]]]


def test_mask_marks_the_first_reals_of_each_token():
    mask = active_mask(torch.tensor([[[1, 0, 2]]]), levels=(0, 2, 4))
    assert mask.int().tolist() == [[[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]]


@pytest.mark.parametrize("budget", [0, 3, 4, 37, 100, 150, 383, 384, 1000])
def test_solved_eta_spends_what_an_exhaustive_search_spends(budget):
    token_bits = 60 * torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    # The staircase changes only where eta * bits crosses a half; look just beyond each of those.
    edges = [0.0, *(1e-9 + half / bits for half in (2, 6, 12) for bits in token_bits.flatten())]
    best = max(t for t in (total(token_bits, float(eta)) for eta in edges) if t <= budget)
    assert total(token_bits, solve_eta(token_bits, budget=budget, levels=LEVELS)) == best


def test_solved_eta_on_a_4k_grid_leaves_less_than_one_step():
    token_bits = 200 * torch.rand(135, 240, generator=torch.Generator().manual_seed(1))
    budget = 32 * 135 * 240
    eta = solve_eta(token_bits, budget=budget, levels=tuple(range(16, 257, 16)))
    spent = total(token_bits, eta, levels=tuple(range(16, 257, 16)))
    assert budget - 16 < spent <= budget


def test_tokens_without_bits_get_the_lowest_rate_whatever_the_budget():
    token_bits = torch.zeros(2, 2)
    assert total(token_bits, solve_eta(token_bits, budget=10**6, levels=LEVELS)) == 0


def test_no_gradient_passes_the_rate():
    token_bits = torch.ones(1, 2, 2, requires_grad=True)
    assert not allocate_rate(token_bits, eta=8.0, levels=LEVELS).requires_grad


@pytest.mark.parametrize("levels", [(), (0,), (4, 4), (8, 4), (3, 4), (-2, 4)])
def test_bad_levels_are_refused(levels):
    with pytest.raises(ValueError, match="even, strictly rising levels"):
        check_levels(levels)


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"expected token_bits \(B, h, w\), got \(4,\)"):
        allocate_rate(torch.ones(4), eta=1.0, levels=LEVELS)
    with pytest.raises(ValueError, match=r"expected eta \(2,\), got \(3,\)"):
        allocate_rate(torch.ones(2, 1, 1), eta=torch.ones(3), levels=LEVELS)
    with pytest.raises(ValueError, match="at least 16 real numbers, got 15"):
        solve_eta(torch.ones(2, 2), budget=15, levels=(4, 8))
    with pytest.raises(ValueError, match="finite"):
        solve_eta(torch.tensor([[float("nan")]]), budget=15, levels=LEVELS)
    with pytest.raises(ValueError, match=r"of one image, got \(1, 2, 2\)"):
        solve_eta(torch.ones(1, 2, 2), budget=15, levels=LEVELS)
