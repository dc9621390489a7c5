"""The code that the READMEs show runs as it stands."""

import re
from pathlib import Path

import pytest
from PIL import Image

from lrisc_system.commands.demo import PHOTO

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "packages" / "lrisc-system" / "README.md"]
BLOCKS = [
    pytest.param(block, id=f"{path.parent.name}-{index}")
    for path in READMES
    for index, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_block(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.open(PHOTO).save("photo.jpg")
    exec(compile(block, "README.md", "exec"), {})


def test_the_tables_name_what_exists():
    """Every `package.name` and `package/file.py` of the README's tables is there."""
    text = READMES[0].read_text()
    names = re.findall(r"`([a-z]+_[a-z]+)\.([A-Za-z_]+)`", text)
    assert len(names) > 15
    for module, name in names:
        assert hasattr(__import__(module), name), f"{module}.{name}"
    files = re.findall(r"`([a-z]+_[a-z]+)/([a-z_/]+\.py)`", text)
    assert len(files) > 15
    for module, file in files:
        package = module.replace("_", "-")
        assert (ROOT / "packages" / package / "src" / module / file).is_file(), f"{module}/{file}"
