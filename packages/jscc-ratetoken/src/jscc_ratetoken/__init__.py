"""Rate-adaptive joint source-channel codec for image tokens, with channels."""
