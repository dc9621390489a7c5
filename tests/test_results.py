"""The figures that the documentation tells are those of the files in `docs/results`."""

import re
from pathlib import Path

import pytest

from lrisc_system.evaluation.earlier_results import read_summary
from lrisc_system.evaluation.links.registry import LINKS
from lrisc_system.evaluation.settings import EvaluateSettings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
GUIDE = ROOT / "docs" / "guides" / "reproducing-the-figures.md"
PAPER = EvaluateSettings(data=Path("kodak"), out=Path("results"))  # the default points
TITLES = {"LRISC `small`": "lrisc"} | {kind.title: name for name, kind in LINKS.items()}
# In the README, where it is not a title of the guide.
ROWS = {
    "LRISC `small`, one decoding step": "lrisc",
    "DeepJSCC, trained on the same photos": "deepjscc",
    "HEVC 4:2:0 + LDPC + QAM": "ldpc-420",
    "HEVC 4:4:4 + LDPC + QAM": "ldpc-444",
    "closed-form linear link (KLT)": "linear",
}


def means(name):
    """Read a file: the means of every link at every point."""
    return {
        (s.link, s.point): {name: figure.mean for name, figure in s.figures.items()}
        for s in read_summary(RESULTS / name)
    }


def cells(line):
    return [cell.strip() for cell in line.split("|")[1:-1]]


def tables(text, head):
    """Find the tables whose head begins so: their rows as lists of cells."""
    pattern = rf"^\| {re.escape(head)} \|.*\n\| ---.*\n((?:\|.*\n)+)"
    found = re.findall(pattern, text, re.MULTILINE)
    return [[cells(row) for row in table.splitlines()] for table in found]


def short(figures):
    """Write PSNR and both LPIPS as the guide does."""
    lpips = (f"{figures[name]:.3f}".lstrip("0") for name in ("lpips_alex", "lpips_vgg"))
    return f"{figures['psnr']:.2f}, " + ", ".join(lpips)


@pytest.mark.parametrize("head", ["CBR 1/48", "10 dB"])
def test_the_guide_tells_what_the_files_hold(head):
    points = {"CBR 1/48": PAPER.over_snr(), "10 dB": PAPER.over_cbr()}[head]
    found = tables(GUIDE.read_text(), head)
    assert len(found) == 2  # whole images, then centre crops
    for table, name in zip(found, ("kodak-whole.csv", "kodak-crops-256.csv"), strict=True):
        known = means(name)
        assert sorted(TITLES[title] for title, *_ in table) == sorted({link for link, _ in known})
        for title, *told in table:
            assert told == [short(known[TITLES[title], point]) for point in points], title


def test_the_readme_tells_what_the_file_holds():
    known = means("kodak-whole.csv")
    (table,) = tables((ROOT / "README.md").read_text(), "CBR")
    bandwidths = [1 / 48] * 5 + [1 / 24] * 5
    for (_, title, *told), cbr in zip(table, bandwidths, strict=True):
        (point,) = (p for p in PAPER.over_cbr() if p.cbr == cbr)
        figures = known[ROWS[title], point]
        assert [cell.strip("*") for cell in told] == [
            f"{figures['psnr']:.2f} dB",
            *(f"{figures[name]:.3f}" for name in ("ms_ssim", "lpips_alex", "lpips_vgg")),
        ]


def test_the_readme_compares_by_the_file():
    """How far LRISC is from DeepJSCC, over the six SNRs at CBR 1/48."""
    text = (ROOT / "README.md").read_text()
    for name, lead, where in (
        (
            "kodak-whole.csv",
            "LRISC has {}% lower LPIPS than DeepJSCC on AlexNet",
            "LPIPS is {}% lower",
        ),
        ("kodak-crops-256.csv", "{}% lower LPIPS than DeepJSCC on AlexNet", "{}% lower on VGG16"),
    ):
        known = means(name)
        for network, wording in (("lpips_alex", lead), ("lpips_vgg", where)):
            lrisc, deepjscc = (
                sum(known[link, point][network] for point in PAPER.over_snr())
                for link in ("lrisc", "deepjscc")
            )
            told = wording.format(f"{100 * (1 - lrisc / deepjscc):.1f}")
            assert re.sub(r"\s+", " ", told) in re.sub(r"\s+", " ", text)
