r"""
A potential read from a file: how many values does it take?
===========================================================

Energies of a surface come as tables: from electronic structure on a grid of adatom positions, or from a force
microscope. ``PeriodicGrid`` makes a function of them that is as good as any formula: a trigonometric polynomial, or a
spline, with exact gradients.

Two errors are then to be told apart. ``M.error`` is that of the tensor *of the interpolant*. How far the interpolant is
from the surface no computation knows; it is seen where the table is made coarser.

Run it as ``python docs/examples/potential_from_data.py --out out``.
"""

# %%
# The table: 48 x 48 energies in one period of a surface with a trench, a row of sites in it, and rough walls.

import argparse
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from sympy import cos, exp, pi, sin

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import Langevin, MultiscalePotential, PeriodicGrid

SIZE, TEMPERATURE = 48, 0.3
COUNTS = (6, 8, 12, 16, 24, 48)


def surface(y):
    trench = -exp(2 * cos(2 * pi * y[1] + 0.6 * sin(2 * pi * y[0])) - 2)
    return trench + 0.2 * cos(4 * pi * y[0]) * (1 + cos(2 * pi * y[1])) / 2


def write(folder):
    """A file as a user might have it: one line for each row of the grid."""
    ticks = np.arange(SIZE) / SIZE
    y = np.meshgrid(ticks, ticks, indexing="ij")
    positions = np.stack([component.ravel() for component in y], axis=1)
    values = model(surface).fluctuation_at(np.zeros_like(positions), positions).reshape(SIZE, SIZE)
    path = Path(folder) / "surface.txt"
    np.savetxt(path, values, header="energies, kT units, y_0 down, y_1 across")
    return path


def model(function):
    return MultiscalePotential(2, 1, TEMPERATURE, lambda x: 0 * x[0], lambda x, y: function(y))


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# The tensor of the formula, of the table, and of every second, third, ... value of it. Where the table holds all waves
# of the surface, trigonometric polynomials are exact; splines converge with the sixth power of the distance.


def convergence(table):
    exact = effective_tensor(model(surface), [[0.0, 0.0]], rtol=1e-10).value[0]
    rows = []
    for count in COUNTS:
        coarser = table[:: SIZE // count, :: SIZE // count]
        differences = []
        for method in ("trigonometric", "spline"):
            found = effective_tensor(model(PeriodicGrid(coarser, method=method)), [[0.0, 0.0]], rtol=1e-9)
            differences.append(np.linalg.norm(found.value[0] - exact, 2) / np.linalg.norm(exact, 2))
            assert found.error[0] <= 1e-9
        rows.append((count, *differences))
        say(f"{count} x {count} values: trigonometric {differences[0]:.1e}, spline {differences[1]:.1e}")
    rows = np.array(rows)
    assert rows[-1, 1] < 1e-8
    assert rows[-1, 2] < 1e-4
    return exact, rows


# %%
# The same object in compiled paths: their mean square displacement is 2 sigma M t.


def samples(table, exact, paths, epsilon=0.5):
    function = PeriodicGrid(table, method="spline")  # of degree 5, which is evaluated faster
    run = Langevin(model(function), epsilon).sample([0.0, 0.0], [1.0, 3.0], paths, 5)
    steps = run.positions[1] - run.positions[0]
    found = steps.T @ steps / paths / (2 * TEMPERATURE * 2.0)
    error = np.sqrt(2.0 / paths) * np.abs(np.diag(exact))
    say(f"M from {paths} paths {np.round(found, 3).tolist()}, of the cell problem {np.round(exact, 3).tolist()}")
    assert (np.abs(np.diag(found - exact)) < 6 * error + 0.05 * np.diag(exact)).all()
    return found


# %%
# The picture: the table, the function made of every eighth value, and what coarser tables change.


def draw(out, table, rows):
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    fine = np.stack(np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 200), indexing="ij"), axis=-1).reshape(-1, 2)
    few = model(PeriodicGrid(table[::6, ::6])).fluctuation_at(np.zeros((len(fine), 2)), fine).reshape(200, 200)
    limits = {"clim": (table.min(), table.max()), "extent": (0, 1, 0, 1), "origin": "lower", "cmap": "viridis"}
    axes[0].imshow(table, interpolation="nearest", **limits)
    axes[0].set(title=f"the file: {SIZE} x {SIZE} values", xlabel="$y_1$", ylabel="$y_0$")
    image = axes[1].imshow(few, **limits)
    figure.colorbar(image, ax=axes[1], label="V1", shrink=0.9)
    places = np.arange(8) / 8
    axes[1].plot(*np.meshgrid(places, places), "k.", markersize=3)
    axes[1].set(title="trigonometric polynomial of 8 x 8", xlabel="$y_1$", ylabel="$y_0$")
    axes[2].loglog(rows[:, 0], rows[:, 1], "o-", label="trigonometric polynomial")
    axes[2].loglog(rows[:, 0], rows[:, 2], "s-", label="spline of degree 5")
    reference = rows[2:, 2].max() * (rows[:, 0] / rows[2, 0]) ** -6.0
    axes[2].loglog(rows[:, 0], reference, "k:", linewidth=1, label="$n^{-6}$")
    axes[2].set(title="error of M by the table", xlabel="values in a direction", ylabel="relative difference")
    axes[2].set_xticks([], minor=True)
    axes[2].set_xticks(rows[:, 0], [str(int(count)) for count in rows[:, 0]])
    axes[2].legend()
    figure.savefig(out / "potential_from_data.png", dpi=110)
    plt.close(figure)


def main(out, paths=2000):
    with tempfile.TemporaryDirectory() as folder:
        table = np.loadtxt(write(folder))
    exact, rows = convergence(table)
    found = samples(table, exact, paths)
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, table, rows)
    return rows, found, exact


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The effective tensor of a potential that is read from a file.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    parser.add_argument("--paths", type=int, default=2000, help="samples of the full dynamics")
    main(**vars(parser.parse_args()))
