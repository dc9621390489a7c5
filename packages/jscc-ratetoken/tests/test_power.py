import pytest
import torch

from jscc_ratetoken.power import (
    dequantize_gain,
    gain_table,
    normalize_power,
    quantize_gain,
    to_complex,
    to_real,
)


def test_reals_are_paired_in_order():
    symbols = to_complex(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
    assert symbols.tolist() == [[1 + 2j, 3 + 4j]]
    assert to_real(symbols).tolist() == [[1.0, 2.0, 3.0, 4.0]]


def test_half_precision_becomes_complex64():
    assert to_complex(torch.ones(2, 4, dtype=torch.bfloat16)).dtype == torch.complex64


def test_power_by_hand():
    # One symbol 3 + 4j is active: power 25, gain 1/5. With two active symbols, 3 + 4j and 0: the
    # mean power is 12.5 and the gain sqrt(1 / 12.5).
    s = torch.tensor([[[3.0, 4.0, 0.0, 0.0]], [[3.0, 4.0, 0.0, 0.0]]])
    mask = torch.tensor([[[True, True, False, False]], [[True] * 4]])
    sent, gain = normalize_power(s, mask)
    torch.testing.assert_close(gain, torch.tensor([0.2, 12.5**-0.5]))
    torch.testing.assert_close(sent[0, 0], torch.tensor([0.6, 0.8, 0.0, 0.0]))


def test_power_is_per_image_and_over_active_symbols_only():
    s = torch.randn(3, 7, 8) * torch.tensor([0.01, 1.0, 1000.0]).view(3, 1, 1)
    mask = torch.zeros(3, 7, 8, dtype=torch.bool)
    mask[0, :2], mask[1, :, :4], mask[2] = True, True, True
    sent, _ = normalize_power(s, mask, power=2.0)
    mean_power = sent.square().sum(dim=(1, 2)) / torch.tensor([8.0, 14.0, 28.0])
    torch.testing.assert_close(mean_power, torch.full((3,), 2.0))
    assert torch.all(sent[~mask] == 0)
    alone, _ = normalize_power(s[:1], mask[:1], power=2.0)
    torch.testing.assert_close(alone, sent[:1])


@pytest.mark.parametrize("active", [True, False])
def test_silence_stays_silent_and_finite(active):
    s = torch.zeros(1, 2, 4, requires_grad=True)
    sent, gain = normalize_power(s, torch.full((1, 2, 4), active))
    (sent.sum() + gain.sum()).backward()
    assert torch.all(sent == 0)
    assert torch.isfinite(gain).all()
    assert torch.isfinite(s.grad).all()


def test_gradient_of_normalisation():
    s = torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[[True] * 4, [True, True, False, False]]]).expand(2, 2, 4)
    assert torch.autograd.gradcheck(lambda x: normalize_power(x, mask), s)


def test_a_byte_names_the_nearest_gain():
    gain = torch.logspace(-3, 1.5, 5000)
    code, coarse = quantize_gain(gain)
    assert 0 <= code.min() <= code.max() <= 255
    # Half a step of the table, in dB
    assert torch.all((20 * torch.log10(gain / coarse)).abs() < 0.1876)
    assert torch.equal(dequantize_gain(code.to(torch.uint8)), coarse)


def test_named_gains_keep_their_name():
    code, gain = quantize_gain(gain_table())
    assert code.tolist() == list(range(256))
    assert torch.equal(gain, gain_table())


def test_table_by_hand():
    # Code 171 is -64 + 171 * 0.375 = 0.125 dB, code 0 is -64 dB.
    torch.testing.assert_close(
        gain_table()[[0, 171]], torch.tensor([10 ** (-64 / 20), 10 ** (0.125 / 20)])
    )


def test_extreme_gains_are_cut():
    code, gain = quantize_gain(torch.tensor([1e-6, 1e6]))
    assert code.tolist() == [0, 255]
    assert torch.equal(gain, gain_table()[[0, 255]])


def test_errors_say_what_was_expected():
    with pytest.raises(ValueError, match=r"even number of reals, got \(2, 3\)"):
        to_complex(torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"got \(1, 2, 4\) and \(1, 2, 3\)"):
        normalize_power(torch.ones(1, 2, 4), torch.ones(1, 2, 3, dtype=torch.bool))
    for bad in (0.0, float("nan")):
        with pytest.raises(ValueError, match=r"positive gains"):
            quantize_gain(torch.tensor([1.0, bad]))
