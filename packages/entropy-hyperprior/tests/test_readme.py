import re
from pathlib import Path

import entropy_hyperprior

README = Path(__file__).parents[1] / "README.md"


def test_every_python_block_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, str(README), "exec"), {})


def test_every_public_name_is_listed() -> None:
    text = README.read_text()
    assert [name for name in entropy_hyperprior.__all__ if f"`{name}" not in text] == []
