"""DeepJSCC (Bourtsoulatze et al. 2019)."""
