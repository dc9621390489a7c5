"""Damaged and odd inputs, made from a seed: one module a kind of input, one function each."""
