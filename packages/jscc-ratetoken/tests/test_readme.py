import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_example_runs_and_prints_one_count_per_image(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    names = {}
    exec(code, names)
    assert names["y_hat"].shape == names["y"].shape
    assert re.fullmatch(r"tensor\(\[\d+, \d+\]\) complex symbols\n", capsys.readouterr().out)
