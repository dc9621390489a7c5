import re
from pathlib import Path

import torch

import cond_diffusion

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_code_runs():
    names = {}
    for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(code, names)
    assert names["restored"].shape == (2, 3, 60, 50)
    assert torch.isfinite(names["encoder"].weight.grad).all()


def test_every_public_name_is_listed():
    missing = [name for name in cond_diffusion.__all__ if f"`{name}`" not in README]
    assert missing == []
