import torch
from rich.console import Console

from lrisc_system.commands.demo import run_demo
from lrisc_system.config import TINY
from lrisc_system.data.images import load_image, save_image
from lrisc_system.lrisc_link import LRISCLink
from lrisc_system.system import LRISC


def test_the_demo_leaves_its_pictures(tmp_path):
    torch.manual_seed(0)
    system = LRISC(TINY)
    system.hyperprior.channel_scale.copy_(8 * 0.9 ** torch.arange(32.0))
    system.g_a.linear.weight.data.mul_(20)
    system.hyperprior.update()
    save_image(torch.rand(3, 48, 64), tmp_path / "photo.png")
    results = run_demo(
        LRISCLink(system.eval()),
        detector=system.detector,
        out=tmp_path / "out",
        photo=tmp_path / "photo.png",
        cbr=0.03,
        console=Console(quiet=True),
    )
    assert [result.snr_db for result in results] == [1, 10, 19]
    assert load_image(tmp_path / "out" / "received.png").shape == (1, 3, 48, 64)
    assert load_image(tmp_path / "out" / "roi.png").shape == (1, 3, 48, 64)
    assert load_image(tmp_path / "out" / "comparison.png").shape[-1] > 600
