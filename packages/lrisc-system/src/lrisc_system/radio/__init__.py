"""The modem: frames, synchronisation, codes and impairments."""
