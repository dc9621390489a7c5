"""Images, photos to train on, and shards of them."""
