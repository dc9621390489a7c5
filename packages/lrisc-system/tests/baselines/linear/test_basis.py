import pytest
import torch

from entropy_hyperprior import PatchPCA
from lrisc_system.baselines.linear.basis import fit, load_basis, save_basis
from lrisc_system.data.images import save_image
from lrisc_system.data.photos import split_validation
from lrisc_system.storage.tensors import CheckpointError, write_tensors


def test_a_basis_comes_back_in_half_precision(tmp_path):
    basis, _ = torch.linalg.qr(torch.randn(768, 6, generator=torch.Generator().manual_seed(0)))
    pca = PatchPCA(torch.full((768,), 0.4), basis, torch.arange(6, 0, -1.0))
    save_basis(pca, tmp_path / "new" / "linear")
    loaded = load_basis(tmp_path / "new" / "linear")
    assert torch.equal(loaded.basis, basis.half().float())
    assert torch.equal(loaded.mean, pca.mean)
    assert torch.equal(loaded.variance, pca.variance)


def test_the_shipped_basis_is_a_transform_of_photos():
    pca = load_basis()
    assert pca.basis.shape == (768, 160)
    torch.testing.assert_close(pca.basis.T @ pca.basis, torch.eye(160), atol=1e-3, rtol=0)
    assert (pca.variance.diff() <= 0).all()
    # Photos are smooth: the first component is the patch's brightness, and has most of the energy.
    assert pca.variance[0] > 0.6 * pca.variance.sum()
    assert pca.basis[:, 0].sign().unique().numel() == 1


def test_held_out_photos_are_left_out(tmp_path, capsys):
    paths = [tmp_path / "photos" / f"photo{index}.png" for index in range(60)]
    trained, held_out = split_validation(paths)
    assert held_out
    (tmp_path / "photos").mkdir()
    grey, red = torch.full((3, 16, 16), 0.5), torch.zeros(3, 16, 16)
    red[0] = 1.0
    for path in trained:
        save_image(grey, path)
    for path in held_out:
        save_image(red, path)
    fit(tmp_path / "photos", tmp_path / "linear", components=4, patches_per_image=1)
    assert f"4 components of {len(trained)} photos" in capsys.readouterr().out
    torch.testing.assert_close(
        load_basis(tmp_path / "linear").mean, torch.full((768,), 128 / 255), atol=1e-6, rtol=0
    )


def test_errors_name_the_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_basis(tmp_path)
    write_tensors({"mean": torch.zeros(768)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"expected mean, basis and variance, got \['mean'\]"):
        load_basis(tmp_path)
