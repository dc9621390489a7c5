"""Reading SwinJSCC's checkpoints, against a forward pass written from its description alone.

The layout under test: net/encoder.py, net/decoder.py and main.py of github.com/semcomm/SwinJSCC,
as of its first and its last public version.
"""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from snr_modulation import SwinJSCCVariant, load_swinjscc
from snr_modulation.import_swinjscc import was_trained

C = 8
H = 12  # int(1.5 * C)
State = dict[str, Tensor]
SNRS = torch.tensor([1.0, 13.0])


def network(prefix: str, *, suffix: str = "", trained: bool) -> State:
    """Give one adapter's tensors under SwinJSCC's keys, as trained or as first drawn."""
    shapes = {f"{prefix}.sm_list{suffix}.{i}": (H, H) for i in range(1, 7)}
    shapes[f"{prefix}.sm_list{suffix}.0"] = (H, C)
    shapes[f"{prefix}.sm_list{suffix}.7"] = (C, H)
    for i in range(7):
        shapes[f"{prefix}.bm_list{suffix}.{i}.fc.0"] = (H, 1)
        shapes[f"{prefix}.bm_list{suffix}.{i}.fc.2"] = (H, H)
        shapes[f"{prefix}.bm_list{suffix}.{i}.fc.4"] = (H, H)
    state: State = {}
    for key, (rows, columns) in shapes.items():
        if trained:
            state[f"{key}.weight"] = torch.randn(rows, columns) * 1.5 / columns**0.5
            state[f"{key}.bias"] = torch.randn(rows) * 0.1
        else:
            bound = 1 / columns**0.5
            state[f"{key}.weight"] = torch.empty(rows, columns).uniform_(-bound, bound)
            state[f"{key}.bias"] = torch.empty(rows).uniform_(-bound, bound)
    return state


def rest(*, head: bool) -> State:
    state = {"encoder.norm.weight": torch.ones(C), "decoder.layers.0.weight": torch.randn(4, 4)}
    if head:
        state["encoder.head_list.weight"] = torch.randn(4, C)
        state["decoder.head_list.weight"] = torch.randn(C, 4)
    return state


def checkpoint(variant: SwinJSCCVariant, *, head: bool, early: bool) -> State:
    """Lay out a variant: what its class builds, and what its training has touched."""
    sa, ra = SwinJSCCVariant.SA, SwinJSCCVariant.RA
    both = SwinJSCCVariant.SA_AND_RA
    state = rest(head=head)
    state |= network("encoder", trained=variant in (sa, ra, both))
    state |= network("decoder", trained=variant in (sa, both))
    if early or variant is both:
        state |= network("encoder", suffix="1", trained=variant is both)
    return state


def original_gate(state: State, prefix: str, suffix: str, x: Tensor, value: Tensor) -> Tensor:
    """Compute the gate with bare matrix products, sample by sample, in double precision."""
    weights = {key: tensor.double() for key, tensor in state.items()}
    rows = []
    for sample, number in zip(x.double(), value.double(), strict=True):
        hidden = sample  # (N, C)
        for i in range(8):
            layer = f"{prefix}.sm_list{suffix}.{i}"
            hidden = hidden @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
            if i == 7:
                break
            factors = number.reshape(1)
            for j in (0, 2, 4):
                fc = f"{prefix}.bm_list{suffix}.{i}.fc.{j}"
                factors = weights[f"{fc}.weight"] @ factors + weights[f"{fc}.bias"]
                factors = factors.clamp(min=0) if j < 4 else 1 / (1 + torch.exp(-factors))
            hidden = hidden * factors
        rows.append(1 / (1 + torch.exp(-hidden)))
    return torch.stack(rows)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        path = tmp_path / "public.model"
        torch.save(content, path)
        return path

    return write


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("head", [False, True])
@pytest.mark.parametrize("variant", list(SwinJSCCVariant))
def test_variant_and_its_networks(
    variant: SwinJSCCVariant, head: bool, early: bool, save: Callable[[object], Path]
) -> None:
    torch.manual_seed(1)
    adapters = load_swinjscc(save(checkpoint(variant, head=head, early=early)))
    assert adapters.variant is variant
    has_snr = variant in (SwinJSCCVariant.SA, SwinJSCCVariant.SA_AND_RA)
    has_rate = variant in (SwinJSCCVariant.RA, SwinJSCCVariant.SA_AND_RA)
    assert (adapters.encoder_snr is not None) == has_snr
    assert (adapters.decoder_snr is not None) == has_snr
    assert (adapters.encoder_rate is not None) == has_rate


def test_sa_computes_the_original(save: Callable[[object], Path]) -> None:
    torch.manual_seed(2)
    state = checkpoint(SwinJSCCVariant.SA, head=True, early=False)
    adapters = load_swinjscc(save(state))
    x = torch.randn(2, 5, C)
    assert adapters.encoder_snr is not None
    assert adapters.decoder_snr is not None
    gate = original_gate(state, "encoder", "", x, SNRS)
    torch.testing.assert_close(adapters.encoder_snr(x, SNRS), (x * gate).float())
    gate = original_gate(state, "decoder", "", x, SNRS)
    torch.testing.assert_close(adapters.decoder_snr(x, SNRS), (x * gate).float())
    in_double = adapters.decoder_snr.double()(x.double(), SNRS.double())
    torch.testing.assert_close(in_double, x * gate, atol=1e-12, rtol=1e-12)


def test_ra_gate_is_no_snr_gate(save: Callable[[object], Path]) -> None:
    torch.manual_seed(3)
    state = checkpoint(SwinJSCCVariant.RA, head=False, early=True)
    adapters = load_swinjscc(save(state))
    x = torch.randn(2, 5, C)
    rate = torch.tensor([96.0, 32.0])
    assert adapters.encoder_rate is not None
    gate = original_gate(state, "encoder", "", x, rate).float()
    torch.testing.assert_close(adapters.encoder_rate.gate(x, rate), gate)


def test_sa_and_ra_swaps_the_names(save: Callable[[object], Path]) -> None:
    # The trap: in this variant alone sm_list is the rate gate and sm_list1 the SNR gate.
    torch.manual_seed(4)
    state = checkpoint(SwinJSCCVariant.SA_AND_RA, head=False, early=False)
    adapters = load_swinjscc(save(state))
    x = torch.randn(2, 5, C)
    rate = torch.full((2,), 64.0)
    assert adapters.encoder_snr is not None
    assert adapters.encoder_rate is not None
    assert adapters.decoder_snr is not None
    expected = x * original_gate(state, "encoder", "1", x, SNRS).float()
    after_snr = adapters.encoder_snr(x, SNRS)
    torch.testing.assert_close(after_snr, expected)
    expected = expected * original_gate(state, "encoder", "", expected, rate).float()
    torch.testing.assert_close(adapters.encoder_rate(after_snr, rate), expected)
    gate = original_gate(state, "decoder", "", x, SNRS).float()
    torch.testing.assert_close(adapters.decoder_snr(x, SNRS), x * gate)


def test_a_short_training_tells() -> None:
    # Two hundred of Adam's steps at the learning rate of 1e-4 that main.py sets.
    torch.manual_seed(8)
    ran = {key: tensor.requires_grad_() for key, tensor in network("a", trained=False).items()}
    never_ran = network("b", trained=False)
    optimizer = torch.optim.Adam([*ran.values(), *never_ran.values()], lr=1e-4)
    assert not was_trained(ran | never_ran, name="a.{}_list")
    for _ in range(200):
        x = torch.randn(2, 4, C)
        optimizer.zero_grad()
        (x * original_gate(ran, "a", "", x, SNRS) - x).square().mean().backward()
        optimizer.step()
    assert was_trained(ran | never_ran, name="a.{}_list")
    assert not was_trained(ran | never_ran, name="b.{}_list")


def test_data_parallel_prefix_and_half_precision(save: Callable[[object], Path]) -> None:
    torch.manual_seed(5)
    state = checkpoint(SwinJSCCVariant.WITHOUT_SA_AND_RA, head=True, early=True)
    halves = {f"module.{key}": tensor.half() for key, tensor in state.items()}
    assert load_swinjscc(save(halves)).variant is SwinJSCCVariant.WITHOUT_SA_AND_RA


def test_variant_by_name(save: Callable[[object], Path]) -> None:
    torch.manual_seed(6)
    state = checkpoint(SwinJSCCVariant.WITHOUT_SA_AND_RA, head=True, early=False)
    path = save(state)
    assert load_swinjscc(path).encoder_snr is None
    adapters = load_swinjscc(path, variant=SwinJSCCVariant.SA)
    assert adapters.encoder_snr is not None
    assert torch.equal(adapters.encoder_snr.layers[3].weight, state["encoder.sm_list.3.weight"])
    with pytest.raises(ValueError, match=r"expected keys encoder\.sm_list1\.0 to \.7, got none"):
        load_swinjscc(path, variant=SwinJSCCVariant.SA_AND_RA)


def test_what_no_variant_trains(save: Callable[[object], Path]) -> None:
    torch.manual_seed(7)
    state = network("encoder", trained=False) | network("decoder", trained=True)
    with pytest.raises(ValueError, match=r"SwinJSCC variant, got \['decoder\.sm_list'\]"):
        load_swinjscc(save(state))


def test_torn_checkpoint(save: Callable[[object], Path]) -> None:
    state = network("encoder", trained=True) | network("decoder", trained=True)
    del state["decoder.bm_list.6.fc.4.bias"]
    with pytest.raises(ValueError, match=r"whole adapter at decoder\.sm_list: .*fc\.4\.bias"):
        load_swinjscc(save(state))
    state = network("encoder", trained=True) | network("decoder", trained=True)
    state["encoder.sm_list.7.weight"] = torch.randn(C + 1, H)
    with pytest.raises(ValueError, match=r"whole adapter at encoder\.sm_list: .*layers\.7"):
        load_swinjscc(save(state))


def test_foreign_files(save: Callable[[object], Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"with key encoder\.sm_list\.0\.weight, got none"):
        load_swinjscc(save({"weight": torch.zeros(1)}))
    with pytest.raises(ValueError, match=r"with key encoder\.sm_list\.0\.weight, got none"):
        load_swinjscc(save(torch.zeros(3)))
    text = tmp_path / "notes.txt"
    text.write_text("not a checkpoint")
    with pytest.raises(ValueError, match="expected a file of plain tensors"):
        load_swinjscc(text)
    text.write_bytes(b"")
    with pytest.raises(ValueError, match="expected a file of plain tensors"):
        load_swinjscc(text)
    with pytest.raises(FileNotFoundError):
        load_swinjscc(tmp_path / "missing.model")


class Bomb:
    """Pickles into a call that leaves a file behind when it is loaded unsafely."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str, str], object], tuple[str, str]]:
        return open, (str(self.path), "w")


def test_pickled_code_does_not_run(save: Callable[[object], Path], tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()  # the bomb works
    mark.unlink()
    state = network("encoder", trained=True) | {"bomb": Bomb(mark)}
    with pytest.raises(ValueError, match="expected a file of plain tensors"):
        load_swinjscc(save(state))
    assert not mark.exists()


@pytest.mark.parametrize("value", ["text", torch.tensor([1]), torch.tensor([[torch.nan]])])
def test_values_that_are_no_weights(tmp_path, value):
    torch.save({"encoder.sm_list.0.weight": value}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"expected finite floats in encoder\.sm_list"):
        load_swinjscc(tmp_path / "a.pt")


def test_a_vector_in_the_place_of_a_matrix(tmp_path):
    torch.save({"encoder.sm_list.0.weight": torch.ones(3)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="expected a matrix"):
        load_swinjscc(tmp_path / "a.pt")
