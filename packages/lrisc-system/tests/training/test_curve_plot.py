import pytest
from matplotlib.figure import Figure

from lrisc_system.data.images import load_image
from lrisc_system.training.curve_plot import plot_curves, write_figure
from lrisc_system.training.recipes import Stage

CURVES: list[dict[str, object]] = [
    {"stage": "a", "step": 10, "total": 1.0, "cbr": 0.1},
    {"stage": "a", "step": 20, "validation": {"psnr": 20.0, "lpips": 0.5}},
    {"stage": "b", "step": 10, "total": 0.5, "cbr": 0.1},
]
STAGES = [Stage("a", trainable=("",)), Stage("b", trainable=("",))]


def draw(curves, path):
    plot_curves(STAGES, curves, path)
    return load_image(path)


def test_curves_are_drawn_over_the_steps_of_the_run(tmp_path):
    full = draw(CURVES, tmp_path / "full.png")
    other = draw([*CURVES[:2], {**CURVES[2], "total": 0.9}], tmp_path / "other.png")
    assert full.shape == other.shape == (1, 3, 700, 900)
    differ = (full != other).any(dim=(0, 1))
    assert differ[:350, :450].any()  # the loss stands above on the left
    assert not differ[350:].any()
    assert not differ[:, 450:].any()


def test_without_validations_their_panels_are_left_out(tmp_path):
    trained = draw([CURVES[0], CURVES[2]], tmp_path / "trained.png")
    assert trained.shape == (1, 3, 350, 900)
    assert (trained[..., 450:] < 0.5).any()  # the CBR


def test_realism_has_panels_where_it_was_measured(tmp_path):
    measured = {"psnr": 20.0, "lpips": 0.5, "dists": 0.2, "kid_vgg": 0.2, "grid_16": 1.0}
    more = draw([{**CURVES[1], "validation": measured}], tmp_path / "more.png")
    assert more.shape == (1, 3, 1050, 900)  # five panels in three rows


def test_a_figure_appears_whole_or_not_at_all(tmp_path):
    write_figure(Figure(), tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()
    with pytest.raises(ValueError, match="xyz"):
        write_figure(Figure(), tmp_path / "a.xyz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
