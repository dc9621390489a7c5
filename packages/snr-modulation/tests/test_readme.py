"""The README's Python block runs, and its table holds every public name."""

import re
from pathlib import Path
from typing import Any

import snr_modulation

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_python_block_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["received"].shape == (2, 3, 32, 32)


def test_every_public_name_is_listed() -> None:
    table = README.partition("## Public names")[2]
    missing = [name for name in snr_modulation.__all__ if f"`{name}" not in table]
    assert missing == []
    assert all(hasattr(snr_modulation, name) for name in snr_modulation.__all__)
