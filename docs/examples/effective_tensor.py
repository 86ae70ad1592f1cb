r"""
Rugged Mueller-Brown landscape: correctors, effective tensor, certificate
=========================================================================

A Brownian particle in a potential with N = 2 fast scales,

.. math:: dX = -\nabla V^\varepsilon(X)\,dt + \sqrt{2\sigma}\,dW, \qquad
          V^\varepsilon(x) = V_0(x) + V_1(x, x/\varepsilon, x/\varepsilon^2),

moves for small :math:`\varepsilon` like a particle in the free energy :math:`\Psi = V_0 - \sigma \log Z_1` whose
mobility is the tensor :math:`M(x) = K_0(x)/Z_1(x)`. It follows from a cell problem for each scale, the fastest first:

.. math:: K_N = e^{-V_1/\sigma} I, \qquad
          \nabla_{y_k} \cdot \big( K_k (\nabla \theta_k + I) \big) = 0 \text{ on } T^d, \qquad
          K_{k-1} = \int K_k (I + \nabla \theta_k)\,dy_k .

Here :math:`V_0` is the landscape of Mueller and Brown, as in figure 1 of Duncan, Duong and Pavliotis (2023), and the
two fast scales act on one another and on :math:`x`: the ridges of the first lie across a direction that turns with it.

Run it as ``python docs/examples/effective_tensor.py --out out``.
"""

# %%
# The microscopic model, stated once, in sympy.

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from mpi4py import MPI
from scipy.special import iv
from sympy import cos, pi, sin

from scaling_limits.cells import correctors, effective_tensor
from scaling_limits.cells.pictures import corrector_fields, tensor_ellipses
from scaling_limits.particles import MultiscalePotential, mueller_brown

TEMPERATURE = 15.0
WELLS = np.array([[-0.558224, 1.441726], [0.623499, 0.028038]])
GRID = np.stack(np.meshgrid(np.linspace(-1.3, 1.0, 12), np.linspace(-0.3, 1.9, 12)), axis=-1).reshape(-1, 2)


def rugged(x, y, z):
    """Ridges across (1, 0) and (0, 1), stronger or weaker with x, and a finer scale that sits on their flanks."""
    ridges = (1 + sin(2 * x[0])) * cos(2 * pi * y[0]) + (1 + sin(2 * x[1])) * cos(2 * pi * y[1])
    fine = (1 + sin(2 * pi * y[0]) / 2) * cos(2 * pi * (z[0] + z[1])) + cos(2 * pi * z[0]) / 2
    return 18 * (ridges + fine)


def say(text):
    if MPI.COMM_WORLD.rank == 0:
        print(text)


# %%
# The hierarchy at the deepest well: at each level the correctors, which say how the particle goes around the barriers
# of that scale, and the tensor that the scale hands on to the next slower one.


def hierarchy(potential):
    levels = correctors(potential, WELLS[0], [[0.25, 0.0]], cells=12, degree=4, rtol=1e-6, comm=MPI.COMM_SELF)
    for level in reversed(levels):
        say(f"level {level.level}: K_{level.level - 1}/max K_{level.level} = {np.round(level.effective, 5).tolist()}")
    return levels


# %%
# The tensor at the wells, with a certificate: lower <= M <= upper in the order of symmetric matrices. Both bounds are
# energies, of admissible fields and of admissible fluxes, so they hold whatever the solver did.


def certificate(potential):
    found = effective_tensor(potential, WELLS, rtol=1e-4, bounds=True)
    better = effective_tensor(potential, WELLS, rtol=1e-8)
    for lower, value, upper in zip(found.lower, better.value, found.upper):
        say(f"M = {np.round(value, 7).tolist()}, interval of relative width {np.ptp([lower, upper], axis=0).max():.1e}")
        assert np.linalg.eigvalsh(value - lower).min() > 0
        assert np.linalg.eigvalsh(upper - value).min() > 0
    return found


# %%
# How far this goes: V1 = 2 cos 2 pi y_0 cos 2 pi y_1 has M = I / I_0(1/sigma)^2 at every temperature, since turning it
# over shifts it. The contrast exp(4/sigma) grows to 6e27, and the interval stays as narrow as it was asked to be.


def low_temperature():
    rows = []
    for sigma in (0.5, 0.25, 0.125, 0.0625):
        potential = MultiscalePotential(
            2, 1, sigma, lambda x: 0 * x[0], lambda x, y: 2 * cos(2 * pi * y[0]) * cos(2 * pi * y[1])
        )
        found = effective_tensor(potential, [[0.0, 0.0]], rtol=1e-5, bounds=True)
        exact = 1 / iv(0, 1 / sigma) ** 2
        width = np.linalg.norm(found.upper[0] - found.lower[0], 2) / exact
        error = np.abs(found.value[0] - exact * np.eye(2)).max() / exact
        assert np.linalg.eigvalsh(found.lower[0]).max() <= exact <= np.linalg.eigvalsh(found.upper[0]).min()
        assert error < 1e-5
        rows.append((np.exp(4 / sigma), error, width))
        say(f"contrast {rows[-1][0]:.0e}: error {error:.1e}, width of the interval {width:.1e}, {found.spaces[0]}")
    return np.array(rows)


# %%
# The pictures: M as ellipses over the landscape, the correctors of both levels over their tori, the certificate.


def draw(out, potential, levels, rows):
    found = effective_tensor(potential, GRID, rtol=1e-4, comm=MPI.COMM_SELF)
    x, y = np.linspace(-1.5, 1.2, 160), np.linspace(-0.5, 2.1, 160)
    plane = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    heights = np.minimum(potential.confining_at(plane), 100.0).reshape(160, 160)
    tensor_ellipses(out / "tensor_ellipses.png", GRID, found.value, (x, y, heights), size=0.095)
    for level in levels:
        corrector_fields(out / f"correctors_{level.level}.png", level)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    axes.loglog(rows[:, 0], rows[:, 2], "o-", label="width of the certified interval")
    axes.loglog(rows[:, 0], rows[:, 1], "s--", label="error")
    axes.axhline(1e-5, color="grey", linewidth=1)
    axes.annotate("rtol", (rows[0, 0], 0.95e-5), color="grey", va="top")
    axes.set(xlabel="contrast of the coefficient", ylabel="relative to M", title="V1 = 2 cos cos, d = 2")
    axes.legend()
    figure.savefig(out / "certificate.png", dpi=120)
    plt.close(figure)
    return found


def main(out):
    potential = MultiscalePotential(2, 2, TEMPERATURE, mueller_brown(TEMPERATURE).confining, rugged)
    found = certificate(potential)
    rows = low_temperature()
    if MPI.COMM_WORLD.rank == 0:
        out = Path(out)
        out.mkdir(parents=True, exist_ok=True)
        draw(out, potential, hierarchy(potential), rows)
    return found, rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Correctors, effective tensor and certificate of a rugged landscape.")
    parser.add_argument("--out", default="out", help="folder for the pictures")
    main(**vars(parser.parse_args()))
