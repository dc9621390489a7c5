from lrisc_system.data.images import load_image
from lrisc_system.training.curve_plot import plot_curves
from lrisc_system.training.recipes import Stage


def test_curves_are_drawn_over_the_steps_of_the_run(tmp_path):
    stages = [Stage("a", trainable=("",)), Stage("b", trainable=("",))]
    curves = [
        {"stage": "a", "step": 10, "total": 1.0, "cbr": 0.1},
        {"stage": "a", "step": 20, "validation": {"psnr": 20.0, "lpips": 0.5}},
        {"stage": "b", "step": 10, "total": 0.5, "cbr": 0.1},
    ]
    plot_curves(stages, curves, tmp_path / "full.png")
    plot_curves(stages, [], tmp_path / "empty.png")
    full, empty = (load_image(tmp_path / f"{name}.png") for name in ("full", "empty"))
    assert full.shape == empty.shape == (1, 3, 700, 900)
    assert not (full == empty).all()
