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
"""

# %%
# The microscopic model, stated once, in sympy: ridges across (1, 0) and (0, 1), stronger or weaker with x, and a finer
# scale that sits on their flanks.

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import iv
from sympy import cos, pi, sin

from scaling_limits.cells import correctors, effective_tensor
from scaling_limits.cells.pictures import corrector_fields, tensor_ellipses
from scaling_limits.particles import MultiscalePotential, mueller_brown

out = Path(os.environ.get("SCALING_LIMITS_OUT", "out"))
lines = int(os.environ.get("SCALING_LIMITS_LINES", 12))
temperature = 15.0
wells = np.array([[-0.558224, 1.441726], [0.623499, 0.028038]])


def rugged(x, y, z):
    ridges = (1 + sin(2 * x[0])) * cos(2 * pi * y[0]) + (1 + sin(2 * x[1])) * cos(2 * pi * y[1])
    fine = (1 + sin(2 * pi * y[0]) / 2) * cos(2 * pi * (z[0] + z[1])) + cos(2 * pi * z[0]) / 2
    return 18 * (ridges + fine)


potential = MultiscalePotential(2, 2, temperature, mueller_brown(temperature).confining, rugged)

# %%
# The tensor at the wells, with a certificate: lower <= M <= upper in the order of symmetric matrices. Both bounds are
# energies, of admissible fields and of admissible fluxes, so they hold whatever the solver did.

found = effective_tensor(potential, wells, rtol=1e-4, bounds=True)
better = effective_tensor(potential, wells, rtol=1e-8)
for lower, value, upper in zip(found.lower, better.value, found.upper):
    print(f"M = {np.round(value, 7).tolist()}, interval of relative width {np.ptp([lower, upper], axis=0).max():.1e}")
    assert np.linalg.eigvalsh(value - lower).min() > 0
    assert np.linalg.eigvalsh(upper - value).min() > 0

# %%
# M as ellipses over the landscape: long where and along which way the particle moves fast.

grid = np.stack(np.meshgrid(np.linspace(-1.3, 1.0, lines), np.linspace(-0.3, 1.9, lines)), axis=-1).reshape(-1, 2)
everywhere = effective_tensor(potential, grid, rtol=1e-4)
x, y = np.linspace(-1.5, 1.2, 160), np.linspace(-0.5, 2.1, 160)
plane = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
heights = np.minimum(potential.confining_at(plane), 100.0).reshape(160, 160)


def show(picture, figsize):
    plt.figure(figsize=figsize, layout="constrained")
    if picture is not None:  # pyvista can draw here
        plt.imshow(plt.imread(picture))
    plt.axis("off")
    plt.show()


out.mkdir(parents=True, exist_ok=True)
show(tensor_ellipses(out / "tensor_ellipses.png", grid, everywhere.value, (x, y, heights), size=0.095), (8, 6.5))

# %%
# The hierarchy at the deepest well: at each level the correctors, which say how the particle goes around the barriers
# of that scale, and the tensor that the scale hands on to the next slower one. First the slower scale:

levels = correctors(potential, wells[0], [[0.25, 0.0]], cells=12, degree=4, rtol=1e-6)
for level in reversed(levels):
    print(f"level {level.level}: K_{level.level - 1}/max K_{level.level} = {np.round(level.effective, 5).tolist()}")
show(corrector_fields(out / "correctors_1.png", levels[0]), (9, 3.4))

# %%
# and the faster one, at one place of the slower.

show(corrector_fields(out / "correctors_2.png", levels[1]), (9, 3.4))

# %%
# How far this goes: :math:`V_1 = 2\cos 2\pi y_0\cos 2\pi y_1` has :math:`M = I/I_0(1/\sigma)^2` at every temperature,
# since turning it over shifts it. The contrast :math:`e^{4/\sigma}` grows to 6e27, and the interval stays as narrow as
# it was asked to be.

rows = []
for sigma in (0.5, 0.25, 0.125, 0.0625):
    eggs = MultiscalePotential(
        2, 1, sigma, lambda x: 0 * x[0], lambda x, y: 2 * cos(2 * pi * y[0]) * cos(2 * pi * y[1])
    )
    tensor = effective_tensor(eggs, [[0.0, 0.0]], rtol=1e-5, bounds=True)
    exact = 1 / iv(0, 1 / sigma) ** 2
    width = np.linalg.norm(tensor.upper[0] - tensor.lower[0], 2) / exact
    error = np.abs(tensor.value[0] - exact * np.eye(2)).max() / exact
    rows.append((np.exp(4 / sigma), error, width))
    print(f"contrast {rows[-1][0]:.0e}: error {error:.1e}, width of the interval {width:.1e}, {tensor.spaces[0]}")
    assert np.linalg.eigvalsh(tensor.lower[0]).max() <= exact <= np.linalg.eigvalsh(tensor.upper[0]).min()
    assert error < 1e-5
rows = np.array(rows)

figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
axes.loglog(rows[:, 0], rows[:, 2], "o-", label="width of the certified interval")
axes.loglog(rows[:, 0], rows[:, 1], "s--", label="error")
axes.axhline(1e-5, color="grey", linewidth=1)
axes.annotate("rtol", (rows[0, 0], 0.95e-5), color="grey", va="top")
axes.set(xlabel="contrast of the coefficient", ylabel="relative to M", title="V1 = 2 cos cos, d = 2")
axes.legend()
plt.show()
