import pytest
import torch

from jscc_ratetoken.prior import color, known_prior, lmmse_weight, to_tokens, whiten


def test_whitening_by_hand():
    # y = 6, mean 2, standard deviation 4: sent with (6 - 2) / sqrt(4) = 2.
    y, mean, scale = torch.tensor(6.0), torch.tensor(2.0), torch.tensor(4.0)
    assert whiten(y, mean, scale) == 2
    assert color(torch.tensor(2.0), mean, scale) == 6


def test_lmmse_weight_by_hand():
    # 10 dB is a noise power of 0.1; gain 0.5 leaves N = 0.1 / (2 * 0.25) = 0.2; 4 / (4 + 0.2).
    weight = lmmse_weight(
        torch.tensor([[[4.0]]]), snr_db=torch.tensor([10.0]), gain=torch.tensor([0.5])
    )
    torch.testing.assert_close(weight, torch.tensor([[[4 / 4.2]]]))


def test_amplitude_sqrt_scale_beats_its_neighbours():
    # Least squares: of all amplitudes std^p at equal power, p = -1/2 after unit variance is best.
    std = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5])
    noise = 0.01

    def error(exponent):
        amplitude = std ** (exponent - 1)  # y has standard deviation std, sent with std^exponent
        gain2 = 1 / (amplitude * std).square().mean()
        n = noise / (gain2 * amplitude.square())
        return (std**2 * n / (std**2 + n)).sum()

    assert error(0.5) < min(error(0.4), error(0.6))


def test_tokens_run_along_the_rows():
    latent = torch.arange(12).view(1, 2, 2, 3)
    assert to_tokens(latent).tolist() == [[[0, 6], [1, 7], [2, 8], [3, 9], [4, 10], [5, 11]]]


def test_an_unknown_prior_is_standard():
    mean, scale = known_prior(None, None, like=torch.full((1, 2, 3, 3), 5.0))
    assert torch.equal(mean, torch.zeros(1, 2, 3, 3))
    assert torch.equal(scale, torch.ones(1, 2, 3, 3))


def test_errors_say_what_was_expected():
    like = torch.ones(2, 8, 3, 4)
    with pytest.raises(ValueError, match=r"scale \(2, 8, 3, 4\), got .* \(2, 8, 1, 1\)"):
        known_prior(None, torch.ones(2, 8, 1, 1), like=like)
