"""A small language model from scratch, which learns the protocol in the simulated world. It knows nothing of people."""
