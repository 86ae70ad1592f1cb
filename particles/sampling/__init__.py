"""How every sampler runs: counter-based random numbers, threads and ranks, when checkpoints are due."""
