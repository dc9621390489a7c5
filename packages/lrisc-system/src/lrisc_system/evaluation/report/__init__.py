"""Tables, curves and pictures of an evaluation."""
