"""Image transmission over noisy links: ROI, rate, SNR adaptation and a diffusion decoder."""
