import pytest
import torch

from lrisc_system.radio.finite_constellation import project_to_constellation


@pytest.mark.parametrize(
    # Max 1960, table 2: mean square error of the uniform quantiser of 4, 8 and 16 levels.
    ("size", "error"),
    [(16, 0.1188), (64, 0.0374), (256, 0.0115)],
)
def test_gaussian_symbols_lose_what_max_found(size, error):
    generator = torch.Generator().manual_seed(0)
    symbols = torch.randn(100_000, dtype=torch.complex64, generator=generator)
    projected = project_to_constellation(symbols, size=size)
    assert len(torch.view_as_real(projected).unique(dim=0)) <= size
    assert (projected - symbols).abs().square().mean().item() == pytest.approx(error, rel=0.03)


def test_a_point_stays_and_an_outlier_goes_to_the_corner():
    once = project_to_constellation(torch.tensor([0.1 + 0.2j, 99 - 99j]), size=16)
    assert torch.allclose(project_to_constellation(once, size=16), once)
    assert once[1].real == -once[1].imag
    # The outermost level of four is 1.5 steps of 0.9957 deviations.
    assert once[1].real.item() == pytest.approx(1.5 * 0.9957 / 2**0.5, rel=1e-3)


def test_wrong_size():
    with pytest.raises(ValueError, match="16, 64 or 256 points, got 32"):
        project_to_constellation(torch.ones(3) + 0j, size=32)
