r"""
A potential read from a file: how many values does it take?
===========================================================

Energies of a surface come as tables: from electronic structure on a grid of adatom positions, or from a force
microscope. ``PeriodicGrid`` makes a function of them that is as good as any formula: a trigonometric polynomial, or a
spline, with exact gradients.

Two errors are then to be told apart. ``M.error`` is that of the tensor *of the interpolant*. How far the interpolant is
from the surface no computation knows; it is seen where the table is made coarser.
"""

# %%
# The table: 48 x 48 energies in one period of a surface with a trench, a row of sites in it, and rough walls. Here it
# is made from a formula, and written to a file as a user might have it: one line for each row of the grid.

import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sympy import cos, exp, pi, sin

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import Langevin, MultiscalePotential, PeriodicGrid

paths = int(os.environ.get("SCALING_LIMITS_PATHS", 2000))
size, temperature = 48, 0.3


def surface(y):
    trench = -exp(2 * cos(2 * pi * y[1] + 0.6 * sin(2 * pi * y[0])) - 2)
    return trench + 0.2 * cos(4 * pi * y[0]) * (1 + cos(2 * pi * y[1])) / 2


def model(function):
    return MultiscalePotential(2, 1, temperature, lambda x: 0 * x[0], lambda x, y: function(y))


ticks = np.arange(size) / size
positions = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
values = model(surface).fluctuation_at(np.zeros_like(positions), positions).reshape(size, size)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "surface.txt"
    np.savetxt(path, values, header="energies, kT units, y_0 down, y_1 across")
    table = np.loadtxt(path)

# %%
# The file, and the function made of every sixth value of it.

fine = np.stack(np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 200), indexing="ij"), axis=-1).reshape(-1, 2)
few = model(PeriodicGrid(table[::6, ::6])).fluctuation_at(np.zeros_like(fine), fine).reshape(200, 200)
limits = {"clim": (table.min(), table.max()), "extent": (0, 1, 0, 1), "origin": "lower", "cmap": "viridis"}
figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.2), layout="constrained")
axes[0].imshow(table, interpolation="nearest", **limits)
axes[0].set(title=f"the file: {size} x {size} values", xlabel="$y_1$", ylabel="$y_0$")
image = axes[1].imshow(few, **limits)
figure.colorbar(image, ax=axes[1], label="V1", shrink=0.9)
axes[1].plot(*np.meshgrid(np.arange(8) / 8, np.arange(8) / 8), "k.", markersize=3)
axes[1].set(title="trigonometric polynomial of 8 x 8", xlabel="$y_1$", ylabel="$y_0$")
plt.show()

# %%
# The tensor of the formula, of the table, and of every second, third, ... value of it. Where the table holds all waves
# of the surface, trigonometric polynomials are exact; splines converge with the sixth power of the distance.

origin = [[0.0, 0.0]]
exact = effective_tensor(model(surface), origin, rtol=1e-10).value[0]
rows = []
for count in (6, 8, 12, 16, 24, 48):
    coarser, differences = table[:: size // count, :: size // count], []
    for method in ("trigonometric", "spline"):
        tensor = effective_tensor(model(PeriodicGrid(coarser, method=method)), origin, rtol=1e-9)
        differences.append(np.linalg.norm(tensor.value[0] - exact, 2) / np.linalg.norm(exact, 2))
        assert tensor.error[0] <= 1e-9
    rows.append((count, *differences))
    print(f"{count} x {count} values: trigonometric {differences[0]:.1e}, spline {differences[1]:.1e}")
rows = np.array(rows)
assert rows[-1, 1] < 1e-8
assert rows[-1, 2] < 1e-4

figure, axis = plt.subplots(figsize=(6, 4), layout="constrained")
axis.loglog(rows[:, 0], rows[:, 1], "o-", label="trigonometric polynomial")
axis.loglog(rows[:, 0], rows[:, 2], "s-", label="spline of degree 5")
reference = rows[2:, 2].max() * (rows[:, 0] / rows[2, 0]) ** -6.0
axis.loglog(rows[:, 0], reference, "k:", linewidth=1, label="$n^{-6}$")
axis.set(title="error of M by the table", xlabel="values in a direction", ylabel="relative difference")
axis.set_xticks([], minor=True)
axis.set_xticks(rows[:, 0], [str(int(count)) for count in rows[:, 0]])
axis.legend()
plt.show()

# %%
# The same object in compiled paths: their mean square displacement is :math:`2\sigma M t`. Splines of degree 5 are
# evaluated faster.

run = Langevin(model(PeriodicGrid(table, method="spline")), epsilon=0.5).sample([0.0, 0.0], [1.0, 3.0], paths, 5)
steps = run.positions[1] - run.positions[0]
found = steps.T @ steps / paths / (2 * temperature * 2.0)
error = np.sqrt(2.0 / paths) * np.abs(np.diag(exact))
print(f"M from {paths} paths {np.round(found, 3).tolist()}, of the cell problem {np.round(exact, 3).tolist()}")
assert (np.abs(np.diag(found - exact)) < 6 * error + 0.05 * np.diag(exact)).all()
