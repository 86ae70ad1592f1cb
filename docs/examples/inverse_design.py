r"""
Inverse design: the ruggedness that gives a prescribed tensor
=============================================================

Which surface makes particles diffuse four times faster along a direction, 30 degrees below the first axis,
than across it? The surface is

.. math:: V_1(y) = a\cos 2\pi y_0 + b\cos 2\pi y_1 + c\cos 2\pi(y_0 + y_1),

and M is a function of (a, b, c) whose derivatives come with it, for the price of an average each: the energy that M
minimises needs no derivative of its minimiser. ``scipy.optimize`` does the rest.
"""

# %%
# The model, with symbols for what is looked for, and the tensor that is wanted: eigenvalues 0.4 and 0.1, the larger one
# along a direction 30 degrees below the first axis.

import matplotlib.pyplot as plt
import numpy as np
import sympy
from scipy.optimize import least_squares
from sympy import cos, pi

from scaling_limits.cells import effective_tensor
from scaling_limits.particles import MultiscalePotential

names = ("a", "b", "c")
a, b, c = sympy.symbols(names)
start = {"a": 0.1, "b": 1.0, "c": 0.5}


def surface(parameters):
    return MultiscalePotential(
        2, 1, 0.5, lambda x: 0 * x[0],
        lambda x, y: a * cos(2 * pi * y[0]) + b * cos(2 * pi * y[1]) + c * cos(2 * pi * (y[0] + y[1])),
        parameters=parameters,
    )  # fmt: skip


angle = np.radians(-30)
turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
wanted = turn @ np.diag([0.4, 0.1]) @ turn.T

# %%
# Residuals are the three entries of M. Their matrix of derivatives comes from the same call; it is kept for the
# optimiser, who asks for it later.

entries = (0, 0, 1), (0, 1, 1)


class Design:
    """M of parameters minus the one that is wanted, and its derivatives; every tensor that was computed is kept."""

    def __init__(self):
        self.potential, self.history, self.known = surface(start), [], {}

    def residuals(self, numbers):
        potential = self.potential.replace(**dict(zip(names, map(float, numbers))))
        tensor = effective_tensor(potential, [[0.0, 0.0]], rtol=1e-9, derivatives=names)
        self.known[tuple(numbers)] = np.stack([tensor.derivatives[name][0][entries] for name in names], axis=1)
        self.history.append(tensor.value[0])
        return (tensor.value[0] - wanted)[entries]

    def slopes(self, numbers):
        return self.known[tuple(numbers)]


# %%
# Gauss and Newton's method converges quadratically, which only exact derivatives give. With differences in their place
# each step costs three more tensors.

exact_slopes, differences = Design(), Design()
tolerances = {"xtol": 1e-14, "ftol": 1e-15, "gtol": 1e-14}
found = least_squares(exact_slopes.residuals, list(start.values()), exact_slopes.slopes, **tolerances)
other = least_squares(differences.residuals, list(start.values()), **tolerances)
numbers = dict(zip(names, found.x.tolist()))
print(f"{numbers} after {len(exact_slopes.history)} tensors; with differences {len(differences.history)}")
assert np.abs(found.fun).max() < 1e-8
assert np.abs(other.x - found.x).max() < 1e-4

# %%
# The certificate of what was found.

check = effective_tensor(surface(numbers), [[0.0, 0.0]], rtol=1e-9, bounds=True)
values = np.linalg.eigvalsh(check.value[0])
print(f"eigenvalues {values.round(8).tolist()}, anisotropy {values[1] / values[0]:.6f}")
assert np.linalg.eigvalsh(wanted - check.lower[0]).min() > -2e-8
assert np.linalg.eigvalsh(check.upper[0] - wanted).min() > -2e-8

# %%
# The surface, the ellipses on the way to it, and how fast the optimiser came there.

figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
y = np.stack(np.meshgrid(np.linspace(0, 2, 200), np.linspace(0, 2, 200), indexing="ij"), axis=-1).reshape(-1, 2)
heights = surface(numbers).fluctuation_at(np.zeros_like(y), y % 1.0).reshape(200, 200)
image = axes[0].imshow(heights.T, origin="lower", extent=(0, 2, 0, 2), cmap="viridis")
figure.colorbar(image, ax=axes[0], label="V1", shrink=0.9)
axes[0].set(title="the surface that was found", xlabel="$y_0$", ylabel="$y_1$")
angles = np.linspace(0, 2 * np.pi, 200)
circle = np.stack([np.cos(angles), np.sin(angles)])
shown = exact_slopes.history[:3]
for number, tensor in enumerate([*shown, wanted]):
    values, vectors = np.linalg.eigh(tensor)
    ellipse = vectors @ (np.sqrt(values)[:, None] * (vectors.T @ circle))
    last = number == len(shown)
    style = {"color": "black", "linestyle": "--", "label": "wanted"} if last else {"label": f"tensor {number + 1}"}
    axes[1].plot(*ellipse, **style)
axes[1].set(title="$M^{1/2}$ of unit vectors", aspect="equal", xlabel="$x_0$", ylabel="$x_1$")
axes[1].legend(fontsize="small", loc="center")
for design, label in ((exact_slopes, "derivatives of M"), (differences, "differences")):
    errors = [np.abs(tensor - wanted).max() for tensor in design.history]
    axes[2].semilogy(range(1, 1 + len(errors)), np.maximum(errors, 1e-16), "o-", label=label)
axes[2].set(title="on the way", xlabel="tensors computed", ylabel="largest difference from what is wanted")
axes[2].legend()
plt.show()
