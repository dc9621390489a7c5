"""Conditional diffusion decoder that predicts the image, with DDIM sampling."""
