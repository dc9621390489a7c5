import pytest
import torch

from jscc_ratetoken.prior import known_prior, lmmse_weight, precode, to_tokens, undo_precoding


def test_precoding_by_hand():
    # y = 6, mean 2, standard deviation 4: sent with (6 - 2) / sqrt(4) = 2.
    y, mean, scale = torch.tensor(6.0), torch.tensor(2.0), torch.tensor(4.0)
    assert precode(y, mean, scale) == 2
    assert undo_precoding(torch.tensor(2.0), mean, scale) == 6


def test_lmmse_weight_by_hand():
    # 10 dB is a noise power of 0.1; gain 0.5 leaves N = 0.1 / (2 * 0.25) = 0.2; 4 / (4 + 0.2).
    weight = lmmse_weight(
        torch.tensor([[[4.0]]]), snr_db=torch.tensor([10.0]), gain=torch.tensor([0.5])
    )
    torch.testing.assert_close(weight, torch.tensor([[[4 / 4.2]]]))


def test_lmmse_weights_of_one_variance_for_all_tokens():
    snr_db, gain = torch.tensor([0.0, 60.0]), torch.tensor([1.0, 1.0])
    weight = lmmse_weight(torch.tensor([0.5, 1.5]), snr_db=snr_db, gain=gain)
    assert weight.shape == (2, 1, 2)
    # 0 dB is N = 1/2: 0.5 / (0.5 + 0.5) and 1.5 / (1.5 + 0.5); without noise it is 1.
    torch.testing.assert_close(weight[0, 0], torch.tensor([0.5, 0.75]))
    torch.testing.assert_close(weight[1, 0], torch.ones(2), atol=1e-5, rtol=0)


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
