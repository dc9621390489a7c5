"""The adapter through torch.compile and through ONNX."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from snr_modulation import SNRAdapter


@pytest.fixture
def adapter() -> SNRAdapter:
    torch.manual_seed(0)
    return SNRAdapter(4, hidden=4, detach_input=False).eval()


def test_one_graph_forward_and_backward(adapter: SNRAdapter) -> None:
    compiled = torch.compile(adapter, backend="aot_eager", fullgraph=True)
    features = torch.randn(2, 4, 3, 5, requires_grad=True)
    snr_db = torch.tensor([1.0, 9.0])
    out = compiled(features, snr_db)
    torch.testing.assert_close(out, adapter(features, snr_db))
    (gradient,) = torch.autograd.grad(out.square().sum(), features)
    (expected,) = torch.autograd.grad(adapter(features, snr_db).square().sum(), features)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@torch.no_grad()
def test_compiled_to_machine_code(adapter: SNRAdapter) -> None:
    compiled = torch.compile(adapter, fullgraph=True)
    features = torch.randn(2, 3, 4)
    snr_db = torch.tensor([1.0, 9.0])
    torch.testing.assert_close(compiled(features, snr_db), adapter(features, snr_db))


@pytest.mark.parametrize(
    ("shape", "free_axes", "other_shape"),
    [
        ((2, 3, 4), {0: "batch", 1: "tokens"}, (5, 7, 4)),
        ((2, 4, 3, 5), {0: "batch", 2: "height", 3: "width"}, (3, 4, 6, 2)),
    ],
)
@pytest.mark.filterwarnings("ignore:# The axis name")
@torch.no_grad()
def test_onnx_round_trip_at_another_size(
    adapter: SNRAdapter,
    shape: tuple[int, ...],
    free_axes: dict[int, str],
    other_shape: tuple[int, ...],
    tmp_path: Path,
) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    path = tmp_path / "adapter.onnx"
    torch.onnx.export(
        adapter,
        (torch.randn(shape), torch.tensor([1.0, 9.0])),
        path,
        input_names=["features", "snr_db"],
        dynamic_shapes={"features": free_axes, "snr_db": {0: "batch"}},
        verbose=False,
    )
    session = runtime.InferenceSession(path)

    def run(features: Tensor, snr_db: Tensor) -> Tensor:
        feeds = {"features": features.numpy(), "snr_db": snr_db.numpy()}
        return torch.from_numpy(session.run(None, feeds)[0])

    features = torch.randn(other_shape)
    snr_db = torch.linspace(-5, 20, other_shape[0])
    out = run(features, snr_db)
    torch.testing.assert_close(out, adapter(features, snr_db))
    assert not torch.allclose(out, run(features, snr_db + 10))
