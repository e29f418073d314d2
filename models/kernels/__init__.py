"""CPU kernels of attention and of the GRU, with hand-written backward passes."""
