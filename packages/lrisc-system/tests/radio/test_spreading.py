import pytest
import torch

from lrisc_system.radio.amplifier import papr_db
from lrisc_system.radio.soft_channel import Observation
from lrisc_system.radio.spreading import despread, mean_noise, spread


def draw(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, dtype=torch.complex64, generator=generator)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_symbols_come_back(count):
    symbols = draw(count)
    cells = spread(symbols)
    assert cells.dtype == torch.complex64
    assert cells.abs().square().sum() == pytest.approx(symbols.abs().square().sum())
    seen = despread(Observation(cells, torch.full((count,), 0.1)))
    assert torch.allclose(seen.symbols, symbols, atol=1e-5)
    assert torch.allclose(seen.noise_power, torch.full((count,), 0.1))


@pytest.mark.parametrize("count", [100, 101])
def test_a_constant_and_a_lone_symbol_have_no_peaks(count):
    lone = torch.zeros(count, dtype=torch.complex64)
    lone[3] = 10
    for symbols in (torch.ones(count, dtype=torch.complex64), lone):
        assert papr_db(spread(symbols)) == pytest.approx(0, abs=1e-3)


def test_the_noise_of_fading_cells_is_shared():
    """Half of the cells at noise 0.1, half at noise 10: b = (1/1.1 + 1/11) / 2 = 1/2."""
    assert mean_noise(torch.tensor([0.1, 10.0])) == pytest.approx(1)
    symbols, power = draw(20_000), torch.tensor([0.1, 10.0]).repeat(10_000)
    seen = despread(Observation(spread(symbols) + power.sqrt() * draw(20_000, 1), power))
    assert seen.noise_power[0] == pytest.approx(1)
    first, second = (seen.symbols - symbols).abs().square().split(10_000)
    assert first.mean() == pytest.approx(1, rel=0.05)
    assert second.mean() == pytest.approx(1, rel=0.05)
    assert (seen.symbols * symbols.conj()).mean().real == pytest.approx(1, abs=0.03)


def test_paths_weaken_all_symbols_alike():
    """A filter of gain 0 at one edge of the band: without an interleaver, symbols would vanish."""
    symbols = draw(8192)
    cells = spread(symbols)
    filtered = (cells + cells.roll(1)) / 2
    seen = despread(Observation(filtered, torch.zeros(8192)))
    gains = (seen.symbols * symbols.conj()).real.view(16, -1).mean(1)
    assert gains == pytest.approx(torch.full((16,), 0.5), abs=0.12)


def test_hardly_any_noise_keeps_its_power():
    assert mean_noise(torch.full((5,), 1e-12)) == pytest.approx(1e-12, rel=1e-3)
