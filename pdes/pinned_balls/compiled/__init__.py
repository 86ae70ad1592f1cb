"""The pinned-billiard equations on one rank: kernels of the forms, banded solves and steps in one compiled function."""
