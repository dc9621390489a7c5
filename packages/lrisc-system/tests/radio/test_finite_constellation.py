import pytest
import torch

from lrisc_system.radio.finite_constellation import project_to_constellation, undo_projection
from lrisc_system.radio.soft_channel import Observation


def gaussian(count=100_000, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dtype=torch.complex64, generator=generator)


@pytest.mark.parametrize(
    # Max 1960, table 2: mean square error of the uniform quantiser of 4, 8 and 16 levels.
    ("size", "error"),
    [(16, 0.1188), (64, 0.0374), (256, 0.0115)],
)
def test_gaussian_cells_lose_what_max_found(size, error):
    cells = gaussian()
    projected = project_to_constellation(cells, size=size)
    assert len(torch.view_as_real(projected).unique(dim=0)) <= size
    assert projected.abs().square().mean().item() == pytest.approx(1, abs=0.01)
    nearest = (1 - error) ** 0.5 * projected
    assert (nearest - cells).abs().square().mean().item() == pytest.approx(error, rel=0.03)


@pytest.mark.parametrize("size", [16, 64, 256])
def test_the_receiver_knows_the_error(size):
    cells = gaussian()
    received = project_to_constellation(cells, size=size) + 0.1**0.5 * gaussian(seed=1)
    seen = undo_projection(Observation(received, torch.full((100_000,), 0.1)), size=size)
    assert (seen.symbols * cells.conj()).mean().real.item() == pytest.approx(1, abs=0.01)
    error = (seen.symbols - cells).abs().square().mean().item()
    assert error == pytest.approx(seen.noise_power.mean().item(), rel=0.03)


def test_a_point_stays_and_an_outlier_goes_to_the_corner():
    once = project_to_constellation(torch.tensor([0.1 + 0.2j, 99 - 99j]), size=16)
    shrunk = (1 - 0.1188) ** 0.5 * once
    assert torch.allclose(project_to_constellation(shrunk, size=16), once)
    assert once[1].real == -once[1].imag
    # The outermost level of four is 1.5 steps of 0.9957 deviations.
    assert shrunk[1].real.item() == pytest.approx(1.5 * 0.9957 / 2**0.5, rel=1e-3)


def test_wrong_size():
    with pytest.raises(ValueError, match="16, 64 or 256 points, got 32"):
        project_to_constellation(torch.ones(3) + 0j, size=32)
