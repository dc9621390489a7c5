"""Send a recording through the channel model of GNU Radio.

Needs GNU Radio 3.10 and its Python, not LRISC:

    apt-get install --no-install-recommends gnuradio
    /usr/bin/python3 channel.py sent.sigmf-data received.cf32 --noise-voltage 0.1 --taps 1 0.3j 0.1

Both files hold complex64 samples. GNU Radio filters, shifts, resamples and adds the noise.
"""

import argparse
from itertools import pairwise

from gnuradio import analog, blocks, channels, filter, gr


def flowgraph(options):
    """Connect source, channel, phase noise, IQ imbalance, DC offset and sink."""
    top = gr.top_block()
    chain = [
        blocks.file_source(gr.sizeof_gr_complex, options.sent),
        blocks.delay(gr.sizeof_gr_complex, options.delay),
        channels.channel_model(
            options.noise_voltage,
            options.frequency_offset,
            options.epsilon,
            options.taps,
            options.seed,
        ),
    ]
    if options.phase_noise:
        chain.append(blocks.multiply_cc())
        steps = analog.noise_source_f(analog.GR_GAUSSIAN, options.phase_noise, options.seed + 1)
        walk = filter.iir_filter_ffd([1.0], [1.0, -1.0], False)
        top.connect(steps, walk, analog.phase_modulator_fc(1.0), (chain[-1], 1))
    if options.iq_magnitude_db or options.iq_phase_degrees:
        chain.append(channels.iqbal_gen(options.iq_magnitude_db, options.iq_phase_degrees))
    if options.dc:
        chain.append(blocks.add_const_cc(options.dc))
    chain.append(blocks.file_sink(gr.sizeof_gr_complex, options.received))
    for block, following in pairwise(chain):
        top.connect((block, 0), (following, 0))
    return top


def parse():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sent", help="complex64 samples")
    parser.add_argument("received", help="complex64 samples to write")
    parser.add_argument("--noise-voltage", type=float, default=0.0, help="root of the noise power")
    parser.add_argument("--frequency-offset", type=float, default=0.0, help="cycles per sample")
    parser.add_argument("--epsilon", type=float, default=1.0, help="1.00001 is 10 ppm")
    parser.add_argument("--taps", type=complex, nargs="+", default=[1.0], help="complex gains")
    parser.add_argument("--phase-noise", type=float, default=0.0, help="radians per sample")
    parser.add_argument("--iq-magnitude-db", type=float, default=0.0, help="I over Q")
    parser.add_argument("--iq-phase-degrees", type=float, default=0.0, help="from a right angle")
    parser.add_argument("--dc", type=complex, default=0.0, help="offset, of full scale")
    parser.add_argument("--delay", type=int, default=0, help="zeros before the first sample")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    return parser.parse_args()


if __name__ == "__main__":
    flowgraph(parse()).run()
