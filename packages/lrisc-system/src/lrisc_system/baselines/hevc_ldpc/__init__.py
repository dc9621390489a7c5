"""Separate coding: HEVC intra and LDPC."""
