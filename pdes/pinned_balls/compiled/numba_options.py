"""Options of numba for the compiled functions of this folder."""

COMPILED = {"error_model": "numpy", "nogil": True}
# sums in any order, and so several entries at once; what is not finite stays so
FAST = COMPILED | {"fastmath": {"nsz", "arcp", "contract", "reassoc"}}
