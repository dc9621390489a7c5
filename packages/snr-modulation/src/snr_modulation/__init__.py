"""SNR-adaptive feature modulation for joint source-channel coding."""
