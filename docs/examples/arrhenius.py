r"""
A sweep: how ruggedness slows escape, and what an Arrhenius plot makes of it
============================================================================

A double well with fluctuations of height :math:`a`,

.. math:: V^\varepsilon(x) = (x^2-1)^2 + a\cos(2\pi x/\varepsilon),

has the free energy of the double well alone, whatever :math:`a` is, and the mobility :math:`M = I_0(a/\sigma)^{-2}`. So
the rate of escape is that of the smooth well times :math:`M`: for :math:`\sigma \ll a` as if the barrier were higher by
:math:`2a`, for :math:`\sigma \gg a` as if it were not. Zwanzig (1988) found this law; an Arrhenius plot of such data
bends. Both parameters are swept here, with one call of `sweep`.
"""

# %%
# What is asked at one point: a function with the parameters as arguments, which returns numbers under names.

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import iv
from sympy import Symbol, cos, pi

from scaling_limits import sweep
from scaling_limits.cells import effective_tensor
from scaling_limits.particles import Langevin, MultiscalePotential
from scaling_limits.pdes import EffectiveFokkerPlanck

paths = int(os.environ.get("SCALING_LIMITS_PATHS", 400))
folder = tempfile.mkdtemp()
a = Symbol("a", real=True)
V = MultiscalePotential(
    1, 1, 1.0, lambda x: (x[0] ** 2 - 1) ** 2, lambda x, y: a * cos(2 * pi * y[0]), parameters={"a": 0.0}
)


def escape(height, temperature):
    rugged = V.replace(a=height, temperature=temperature)
    mobility = effective_tensor(rugged, [[0.0]], rtol=1e-8).value[0, 0, 0]
    rate = EffectiveFokkerPlanck(rugged, [(-2.6, 2.6)], 400, rtol=1e-8).spectrum(2)[1]
    return {"mobility": mobility, "rate": rate}


# %%
# All combinations. Finished points are in a folder; had this been stopped, the same call would go on.

heights, temperatures = [0.0, 0.2, 0.4], 1 / np.linspace(1.0, 6.0, 6)
found = sweep(escape, {"height": heights, "temperature": temperatures}, path=f"{folder}/escape")
print(found)

# %%
# Zwanzig's law holds to the tolerance, at every point, of the mobility and of the rate.

law = iv(0, found.height / found.temperature) ** -2.0
print(f"mobility: differs from the law by {float(abs(found.mobility / law - 1).max()):.1e} at most")
print(f"rate:     {float(abs(found.rate / found.rate.sel(height=0.0) / law - 1).max()):.1e}")
assert float(abs(found.mobility / law - 1).max()) < 1e-7
assert float(abs(found.rate / found.rate.sel(height=0.0) / law - 1).max()) < 1e-5

# %%
# More temperatures later: only what is new is computed. The slope of the logarithm of the rate against :math:`1/\sigma`
# is minus the barrier that one would read off: that of the smooth well is 1 when it is cold, and the ridges add
# something below :math:`2a`, which depends on the temperature.

more = np.sort(np.append(temperatures, 1 / np.linspace(1.5, 5.5, 5)))
found = sweep(escape, {"height": heights, "temperature": more}, path=f"{folder}/escape")
found = found.assign_coords(inverse=1 / found.temperature).swap_dims(temperature="inverse")
barrier = -np.log(found.rate).differentiate("inverse").isel(inverse=slice(1, -1))
for height in heights:
    cold, warm = barrier.sel(height=height)[0], barrier.sel(height=height)[-1]
    print(
        f"a = {height}: a barrier of {cold:.2f} at sigma = {1 / cold.inverse:.2f}, {warm:.2f} at {1 / warm.inverse:.2f}"
    )

# %%
# The same question to the full dynamics at :math:`\varepsilon = 0.1`: the time from one well to the other, sampled. The
# samplers are compiled and let other threads run, so that two points are computed at once.


def passage(height, seed):
    rugged = V.replace(a=height, temperature=0.5)
    sampled = Langevin(rugged, epsilon=0.1).first_passages([-1.0], lambda x: 1 - x[:, 0], paths, seed, workers=1)
    return {"time": sampled.mean, "standard_error": sampled.standard_error}


with ThreadPoolExecutor(2) as pool:
    times = sweep(passage, {"height": heights, "seed": [1, 2]}, pool)


def expected(height):
    fp = EffectiveFokkerPlanck(V.replace(a=height, temperature=0.5), [(-2.6, 2.6)], 400, rtol=1e-8)
    return fp.mean_first_passage_time(lambda x: x[:, 0] > 1).at([[-1.0]])[0]


limit = sweep(expected, {"height": heights}).value
mean = times.time.mean("seed")
error = np.sqrt((times.standard_error**2).sum("seed")) / times.seed.size
for height in heights:
    one = {"height": height}
    print(f"a = {height}: {limit.sel(one):.2f} in the limit, {mean.sel(one):.2f} +- {error.sel(one):.2f} sampled")
    assert abs(mean.sel(one) - limit.sel(one)) < 5 * error.sel(one) + 0.1 * limit.sel(one)

# %%
# A picture of the dataset.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for height, colour in zip(heights, ("black", "tab:blue", "tab:orange")):
    left.semilogy(found.inverse, found.rate.sel(height=height), "o-", color=colour, markersize=4, label=f"a = {height}")
    right.plot(barrier.inverse, barrier.sel(height=height), "o-", color=colour, markersize=4)
    right.axhline(1 + 2 * height, color=colour, linewidth=1, linestyle=":")
left.set(title="rate of escape", xlabel=r"$1/\sigma$", ylabel="rate")
right.set(title="the barrier that its slope shows", xlabel=r"$1/\sigma$", ylabel=r"$-d\log(rate)/d(1/\sigma)$")
left.legend()
plt.show()
