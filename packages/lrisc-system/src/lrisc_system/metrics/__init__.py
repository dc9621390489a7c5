"""How a received image is measured."""
