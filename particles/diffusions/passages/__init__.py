"""First passages of diffusions to several targets: what a target is, when a step has hit it, and the result."""
