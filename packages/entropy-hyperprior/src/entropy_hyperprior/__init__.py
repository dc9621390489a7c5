"""Analysis and synthesis transforms with a mean-scale hyperprior for learned image coding."""
