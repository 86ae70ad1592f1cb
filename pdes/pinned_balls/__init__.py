"""The effective equations of pinned billiard balls, and the finite-size equations."""
