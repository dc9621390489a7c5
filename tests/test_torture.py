"""A few cases of every kind of foreign input; `scripts/torture` has thousands."""

import sys
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from torture.images import torture_images
from torture.models import torture_models
from torture.outcome import damage, tally
from torture.packets import torture_packets
from torture.shards import torture_shards


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_foreign_input_is_read_or_refused(tmp_path):
    kinds = [torture_packets(25)]
    for torture in (torture_images, torture_models, torture_shards):
        (tmp_path / torture.__name__).mkdir()
        kinds.append(torture(tmp_path / torture.__name__, 12))
    for found in kinds:
        assert not found.failures, found.failures
        assert found.endings.total() >= 12
        assert len(found.endings) > 1  # some were refused, not only read, or the reverse


def test_whatever_else_happens_is_a_failure():
    def one_line():
        raise ValueError("no")

    def traceback():
        raise KeyError("x")

    def two_lines():
        raise ValueError("a\nb")

    cases = [(f.__name__, f) for f in (one_line, traceback, two_lines, lambda: 1, lambda: 2)]
    found = tally("k", cases, allowed=ValueError, check=lambda n: "wrong" if n == 2 else None)
    assert dict(found.endings) == {"ValueError": 1, "read": 1}
    assert [line.partition(":")[0] for line in found.failures] == [
        "k traceback",
        "k two_lines",
        "k <lambda>",
    ]


def test_damage_depends_on_the_seed_alone():
    data = bytes(range(200))
    first, again, other = (damage(data, Random(seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert data == bytes(range(200))
