import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_the_examples_run(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    if "y_w" in names:
        assert names["y_w"].shape == (2, 192, 16, 24)
        assert names["weights"].min() >= 0.2
    else:
        assert (tmp_path / "net.safetensors").exists()


def test_there_are_two_examples():
    assert len(BLOCKS) == 2


def test_every_public_name_is_listed():
    import roi_saliency

    text = README.read_text(encoding="utf-8")
    assert [name for name in roi_saliency.__all__ if f"`{name}`" not in text] == []
