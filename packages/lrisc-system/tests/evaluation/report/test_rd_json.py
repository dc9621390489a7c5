import json
import math
from dataclasses import replace

import pytest
from compressai.utils.plot.__main__ import parse_json_file

from lrisc_system.baselines import rayleigh_capacity
from lrisc_system.evaluation import Point
from lrisc_system.evaluation.report.rd_json import KEYS, write_curves
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary
from lrisc_system.radio.fading import Fading


@pytest.fixture
def summaries():
    def summary(link, cbr, psnr):
        figures = {name: Estimate(0.5, 0.0, 0.0) for name in KEYS.values()}
        figures |= {"cbr": Estimate(cbr, 0.0, 0.0), "psnr": Estimate(psnr, 0.0, 0.0)}
        figures["lpips_vgg"] = Estimate(math.nan, 0.0, 0.0)
        return Summary(link, Point(10.0, cbr), 24, 3, figures)

    return [summary("linear", 0.02, 24.0), summary("lrisc", 0.02, 25.0), summary("linear", 0.1, 29)]


def test_compressai_reads_the_curves(summaries, settings, tmp_path):
    """At 10 dB an ideal code carries log2(11) = 3.4594 bits a use: 3 * 0.02 * 3.4594 = 0.20757."""
    write_curves(summaries, settings, tmp_path, title="two images")
    curve = parse_json_file(tmp_path / "rd" / "linear.json", "psnr")
    assert curve["name"] == "linear (KLT)"
    assert list(curve["xs"]) == pytest.approx([0.20757, 5 * 0.20757], abs=1e-4)
    assert list(curve["ys"]) == [24.0, 29.0]
    assert len(parse_json_file(tmp_path / "rd" / "lrisc.json", "ms-ssim")["ys"]) == 1


def test_bandwidth_stands_beside_bits(summaries, settings, tmp_path):
    write_curves(summaries, settings, tmp_path, title="two images")
    content = json.loads((tmp_path / "rd" / "linear.json").read_text())
    assert content["description"].startswith("two images; bpp = 3 CBR * 3.4594")
    assert content["results"]["cbr"] == [0.02, 0.1]
    assert "lpips-alex" in content["results"]
    assert "lpips-vgg" not in content["results"]  # it was not measured


def test_fading_has_a_capacity_of_its_own(summaries, settings, tmp_path):
    write_curves(summaries, replace(settings, fading=Fading.fast), tmp_path, title="")
    content = json.loads((tmp_path / "rd" / "lrisc.json").read_text())
    assert content["results"]["bpp"] == pytest.approx([3 * 0.02 * rayleigh_capacity(10.0)])
