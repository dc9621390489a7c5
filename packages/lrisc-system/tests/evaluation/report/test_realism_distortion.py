import math

from lrisc_system.evaluation import Point
from lrisc_system.evaluation.links.registry import LINKS, SERIES
from lrisc_system.evaluation.report.realism_distortion import draw_realism_distortion
from lrisc_system.evaluation.statistics import Estimate
from lrisc_system.evaluation.summary import Summary


def summary(link, psnr, kid):
    figures = {
        name: Estimate(mean, math.nan, math.nan)
        for name, mean in {"psnr": psnr, "kid_vgg": kid}.items()
    }
    return Summary(link, Point(10.0, 1 / 48), 24, 1, figures)


def draw(*summaries, **options):
    figure = draw_realism_distortion(summaries, title="All", **options)
    lines = figure.axes[0].get_lines()
    return figure, lines


def test_a_point_for_each_link():
    figure, lines = draw(summary("deepjscc", 26.2, 0.3), summary("lrisc", 26.3, 0.18))
    assert [(line.get_xydata().tolist(), line.get_label()) for line in lines] == [
        ([[180.0, 26.3]], "LRISC"),
        ([[300.0, 26.2]], "DeepJSCC"),
    ]
    assert lines[0].get_color() == LINKS["lrisc"].colour
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["LRISC", "DeepJSCC"]


def test_a_line_joins_the_settings_of_one_link_in_their_order():
    """The order is that of the settings, not of the summaries or of the values."""
    found = [summary("steps-17", 24.2, 0.2), summary("lrisc", 26.3, 0.18)]
    _, (joined, *points) = draw(*found, summary("linear", 24, 0.4))
    assert joined.get_xydata().tolist() == [[180.0, 26.3], [200.0, 24.2]]
    assert joined.get_linestyle() == "-"
    assert len(points) == 3
    assert len(draw(*found, series=())[1]) == 2


def test_a_long_title_fits_into_the_figure():
    title = "kodak, 24 images, centre crops 256 x 256, Rayleigh fading by symbol, 3 channel seeds"
    figure = draw_realism_distortion([summary("lrisc", 26.3, 0.18)], title=title)
    figure.draw_without_rendering()
    extent = figure._suptitle.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.x1


def test_series_name_links():
    assert all(name in LINKS for names in SERIES for name in names)
