"""The links that `evaluate` compares."""
