import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "rate_heads.py"


def test_both_variants_of_the_benchmark_compute_the_same():
    names = runpy.run_path(str(SCRIPT))
    sizes = (2, 5, 16, (2, 4, 16))
    *_, gathered = names["measure"](names["GatheredHeads"], *sizes)
    *_, grouped = names["measure"](names["RateHeads"], *sizes)
    assert abs(gathered - grouped) < 1e-4
    assert gathered != 0
