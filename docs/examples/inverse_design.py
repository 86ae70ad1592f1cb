r"""
Inverse design: the ruggedness that gives a prescribed tensor
=============================================================

Which surface makes particles diffuse four times faster along a direction, 30 degrees below the first axis,
than across it? The surface is

.. math:: V_1(y) = a\cos 2\pi y_0 + b\cos 2\pi y_1 + c\cos 2\pi(y_0 + y_1),

and M is a function of (a, b, c) whose derivatives come with it, for the price of an average each: the energy that M
minimises needs no derivative of its minimiser. ``scipy.optimize`` does the rest.

Run it as ``python docs/examples/inverse_design.py --out out``.
"""

# %%
# The model, with symbols for what is looked for.

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import sympy
from mpi4py import MPI
from scipy.optimize import least_squares
from sympy import cos, pi

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import MultiscalePotential

NAMES = ("a", "b", "c")
A, B, C = sympy.symbols(NAMES)
ENTRIES = (0, 0, 1), (0, 1, 1)
START = {"a": 0.1, "b": 1.0, "c": 0.5}
ANGLE, FAST, SLOW = np.radians(-30), 0.4, 0.1


def surface(parameters):
    return MultiscalePotential(
        2, 1, 0.5, lambda x: 0 * x[0],
        lambda x, y: A * cos(2 * pi * y[0]) + B * cos(2 * pi * y[1]) + C * cos(2 * pi * (y[0] + y[1])),
        parameters=parameters,
    )  # fmt: skip


def wanted():
    """Eigenvalues 0.4 and 0.1, the larger one along the direction of the angle."""
    turn = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
    return turn @ np.diag([FAST, SLOW]) @ turn.T


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# Residuals are the three entries of M, their matrix of derivatives comes from the same call; it is kept for the
# optimiser, who asks for it later.


class Design:
    """M of parameters minus the one that is wanted, and its derivatives; every tensor that was computed is kept."""

    def __init__(self, target):
        self.target, self.potential, self.history = target, surface(START), []
        self._slopes = {}

    def residuals(self, numbers):
        potential = self.potential.replace(**dict(zip(NAMES, map(float, numbers))))
        tensor = effective_tensor(potential, [[0.0, 0.0]], rtol=1e-9, derivatives=NAMES)
        slopes = [tensor.derivatives[name][0][ENTRIES] for name in NAMES]
        self._slopes[tuple(numbers)] = np.stack(slopes, axis=1)
        self.history.append(tensor.value[0])
        return (tensor.value[0] - self.target)[ENTRIES]

    def slopes(self, numbers):
        return self._slopes[tuple(numbers)]


# %%
# Gauss and Newton's method converges quadratically, which only exact derivatives give. With differences in their place
# each step costs three more tensors.


def solve():
    design = Design(wanted())
    found = least_squares(design.residuals, list(START.values()), design.slopes, xtol=1e-14, ftol=1e-15, gtol=1e-14)
    by_differences = Design(wanted())
    other = least_squares(by_differences.residuals, list(START.values()), xtol=1e-14, ftol=1e-15, gtol=1e-14)
    numbers = dict(zip(NAMES, found.x.tolist()))
    say(f"{numbers} after {len(design.history)} tensors; with differences {len(by_differences.history)}")
    assert np.abs(found.fun).max() < 1e-8
    assert np.abs(other.x - found.x).max() < 1e-4
    check = effective_tensor(surface(numbers), [[0.0, 0.0]], rtol=1e-9, bounds=True)
    assert np.linalg.eigvalsh(wanted() - check.lower[0]).min() > -2e-8
    assert np.linalg.eigvalsh(check.upper[0] - wanted()).min() > -2e-8
    values = np.linalg.eigvalsh(check.value[0])
    say(f"eigenvalues {values.round(8).tolist()}, anisotropy {values[1] / values[0]:.6f}")
    return found.x, design, by_differences


# %%
# The picture: the surface, the ellipses on the way to it, and how fast the optimiser came there.


def draw(out, numbers, design, by_differences):
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    y = np.stack(np.meshgrid(np.linspace(0, 2, 200), np.linspace(0, 2, 200), indexing="ij"), axis=-1).reshape(-1, 2)
    heights = surface(dict(zip(NAMES, numbers))).fluctuation_at(np.zeros_like(y), y % 1.0).reshape(200, 200)
    image = axes[0].imshow(heights.T, origin="lower", extent=(0, 2, 0, 2), cmap="viridis")
    figure.colorbar(image, ax=axes[0], label="V1", shrink=0.9)
    axes[0].set(title="the surface that was found", xlabel="$y_0$", ylabel="$y_1$")
    angle = np.linspace(0, 2 * np.pi, 200)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    shown = design.history[:3]
    for number, tensor in enumerate([*shown, design.target]):
        values, vectors = np.linalg.eigh(tensor)
        ellipse = vectors @ (np.sqrt(values)[:, None] * (vectors.T @ circle))
        last = number == len(shown)
        style = {"color": "black", "linestyle": "--", "label": "wanted"} if last else {"label": f"tensor {number + 1}"}
        axes[1].plot(*ellipse, **style)
    axes[1].set(title="$M^{1/2}$ of unit vectors", aspect="equal", xlabel="$x_0$", ylabel="$x_1$")
    axes[1].legend(fontsize="small", loc="center")
    for run, label in ((design, "derivatives of M"), (by_differences, "differences")):
        errors = [np.abs(tensor - design.target).max() for tensor in run.history]
        axes[2].semilogy(range(1, 1 + len(errors)), np.maximum(errors, 1e-16), "o-", label=label)
    axes[2].set(title="on the way", xlabel="tensors computed", ylabel="largest difference from what is wanted")
    axes[2].legend()
    figure.savefig(out / "inverse_design.png", dpi=110)
    plt.close(figure)


def main(out):
    numbers, design, by_differences = solve()
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, numbers, design, by_differences)
    return numbers, design, by_differences


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The potential whose effective tensor is prescribed.")
    parser.add_argument("--out", default="out", help="folder for the picture")
    main(**vars(parser.parse_args()))
