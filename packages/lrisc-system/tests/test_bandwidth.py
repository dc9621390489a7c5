import pytest

from lrisc_system.bandwidth import name_cbr, read_cbr


@pytest.mark.parametrize(
    ("cbr", "name"),
    [(1 / 48, "1/48"), (1 / 16, "1/16"), (0.1, "0.1"), (0.0208, "0.0208"), (0.017, "0.017")],
)
def test_bandwidths_are_named_as_they_were_meant(cbr, name):
    assert name_cbr(cbr) == name


@pytest.mark.parametrize(
    ("text", "cbr"), [("1/48", 1 / 48), ("0.02", 0.02), ("1e-2", 0.01), ("0.5/16", 1 / 32)]
)
def test_bandwidths_are_read_as_numbers_and_fractions(text, cbr):
    assert read_cbr(text) == cbr


@pytest.mark.parametrize("text", ["x", "1/", "/48", "1/0", "1/2/3", ""])
def test_what_is_no_bandwidth_is_named(text):
    with pytest.raises(ValueError, match="expected a number or a fraction such as 1/48, got") as e:
        read_cbr(text)
    assert str(e.value).endswith(f"got {text!r}")
