"""Saliency detection and region-of-interest masks for learned image coding."""
