import sys

import numpy as np
import pytest
import torch

from roi_saliency import ONNXDetector

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def write_model(path, *, channels=3, side=320):
    """A model whose map is the mean of the three normalised channels."""
    from onnx import TensorProto, helper

    node = helper.make_node("ReduceMean", ["image", "axes"], ["map"], keepdims=1)
    graph = helper.make_graph(
        [node],
        "mean",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, side, side])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, side, side])],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return ONNXDetector(write_model(tmp_path_factory.mktemp("onnx") / "mean.onnx"))


def test_map_is_stretched_by_hand(detector):
    # Grey steps 0, 1/2 and 1 in three wide bands. Normalising is one affine map for all, the mean
    # keeps the order, and stretching undoes the affine part: 0, 1/2, 1 again.
    image = torch.zeros(1, 3, 60, 90)
    image[..., 30:60] = 0.5
    image[..., 60:] = 1.0
    saliency = detector(image)
    assert saliency.shape == (1, 1, 60, 90)
    levels = saliency[0, 0, 30, [10, 45, 80]]
    torch.testing.assert_close(levels, torch.tensor([0.0, 0.5, 1.0]), atol=0.02, rtol=0)
    assert saliency.min() >= 0
    assert saliency.max() <= 1


def test_the_network_sees_the_recipe_by_hand(detector, monkeypatch):
    # Maximum 102 of 255: divided by it the red channel is 1, so (1 - 0.485) / 0.229 = 2.248908;
    # green is half, (0.5 - 0.456) / 0.224 = 0.196429; blue 0, -0.406 / 0.225 = -1.804444.
    seen = []

    class Spy:
        def run(self, _, inputs):
            seen.append(next(iter(inputs.values())))
            return [np.zeros((1, 1, 320, 320), dtype=np.float32)]

    monkeypatch.setattr(detector, "_session", Spy())
    image = torch.tensor([0.4, 0.2, 0.0])[None, :, None, None].expand(1, 3, 10, 12)
    saliency = detector(image)
    assert seen[0].shape == (1, 3, 320, 320)
    assert seen[0].dtype == np.float32
    np.testing.assert_allclose(seen[0][0, :, 5, 5], [2.248908, 0.196429, -1.804444], atol=1e-5)
    assert torch.equal(saliency, torch.zeros(1, 1, 10, 12))  # a constant map stays 0


def test_each_image_has_its_own_maximum(detector):
    images = torch.rand(2, 3, 30, 40, generator=torch.Generator().manual_seed(0))
    images[1] *= 0.3
    together = detector(images)
    assert torch.equal(together[1:], detector(images[1:]))


def test_a_black_image_is_no_division_by_zero(detector):
    assert detector(torch.zeros(1, 3, 8, 8)).isfinite().all()


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected an ONNX file, got none at .*none\.onnx"):
        ONNXDetector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"expected an ONNX model .*, got .*bad\.onnx"):
        ONNXDetector(tmp_path / "bad.onnx")
    one = write_model(tmp_path / "one.onnx", channels=1, side=8)
    with pytest.raises(ValueError, match=r"take \(1, 3, S, S\), got \[1, 1, 8, 8\]"):
        ONNXDetector(one)


def test_other_shapes_are_refused(detector):
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\), got \(3, 8, 8\)"):
        detector(torch.zeros(3, 8, 8))


def test_a_missing_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'roi-saliency\[onnx\]'"):
        ONNXDetector(tmp_path / "any.onnx")
