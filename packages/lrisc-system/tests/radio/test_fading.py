from jscc_ratetoken import AWGN, RayleighBlock, RayleighFast
from lrisc_system.radio.fading import Fading


def test_every_name_is_a_channel():
    channels = {fading.name: fading.channel() for fading in Fading}
    assert channels == {"none": AWGN(), "block": RayleighBlock(), "fast": RayleighFast()}
