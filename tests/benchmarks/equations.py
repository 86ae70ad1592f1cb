"""The finite-element solver against explicit finite differences on the grid, and with the step, that serve them best.

The peers solve form (C) with fluxes between nodes and Euler's method, which is what the paper's "standard finite
difference method" amounts to; among grids and steps that reach the asked error the fastest is taken.
"""

import itertools
from functools import partial

import numpy as np
import pde
from billiards import FREEZE, WAVE_SPEED, mean, order_one_std, small_std
from numba import njit
from table import faster, median_time, median_times

from scaling_limits.pdes import RODAS3, RODAS4, BilliardEquations

GRID = np.linspace(0, 1, 2401)


@njit(fastmath=True)
def differences(mu, energy, speed, times, cfl):
    """Explicit Euler, cfl in units of h^2/2; energy is mu^2 + sigma^2."""
    cells = mu.size - 1
    h = 1.0 / cells
    out = np.empty((times.size, 2, cells + 1))
    sigma, f, g = np.empty(cells + 1), np.zeros(cells + 2), np.zeros(cells + 2)
    t = 0.0
    for k in range(times.size):
        steps = int(np.ceil((times[k] - t) / (cfl * 0.5 * h * h)))
        dt = (times[k] - t) / max(steps, 1)
        for _ in range(steps):
            for i in range(cells + 1):
                sigma[i] = np.sqrt(max(energy[i] - mu[i] * mu[i], 0.0))
            for i in range(cells):
                f[i + 1] = speed * 0.5 * (sigma[i] + sigma[i + 1]) - (mu[i + 1] - mu[i]) / h
                g[i + 1] = speed * (mu[i] * sigma[i] + mu[i + 1] * sigma[i + 1]) - (energy[i + 1] - energy[i]) / h
            for i in range(cells + 1):
                factor = dt / h * (2.0 if i == 0 or i == cells else 1.0)
                mu[i] -= factor * (f[i + 1] - f[i])
                energy[i] -= factor * (g[i + 1] - g[i])
        t = times[k]
        out[k, 0] = mu
        for i in range(cells + 1):
            out[k, 1, i] = np.sqrt(max(energy[i] - mu[i] * mu[i], 0.0))
    return out


class InPyPDE(pde.PDEBase):
    """The same differences as a PDE of py-pde, on its cell-centred grid."""

    explicit_time_dependence = False

    def evolution_rate(self, state, t=0):
        mu, energy = state.data
        h = state.grid.discretization[0]
        sigma = np.sqrt(np.maximum(energy - mu * mu, 0.0))
        f, g = np.zeros(mu.size + 1), np.zeros(mu.size + 1)
        f[1:-1] = 0.5 * WAVE_SPEED * (sigma[1:] + sigma[:-1]) - np.diff(mu) / h
        flux = mu * sigma
        g[1:-1] = WAVE_SPEED * (flux[1:] + flux[:-1]) - np.diff(energy) / h
        rate = state.copy()
        rate.data[0], rate.data[1] = -np.diff(f) / h, -np.diff(g) / h
        return rate


class Case:
    """A problem, its accurate solution, and the error that counts."""

    def __init__(self, name, std, times, error, in_mu, ours, fd_grids, least, least_py):
        self.name, self.std, self.times, self.error, self.in_mu = name, std, np.array(times), error, in_mu
        self.cells, self.degree, self.rtol, self.scheme = ours
        self.fd_grids, self.least, self.least_py = fd_grids, least, least_py
        self.equations = BilliardEquations(WAVE_SPEED, mean, std)
        best = self.equations.solve(times, 1e-8, 400, degree=4)
        self.exact = best.mean_at(GRID), best.std_at(GRID)

    def error_of(self, x, mu, sigma):
        """Largest relative L2 error over the times, in sigma and perhaps in mu."""
        found = [np.array([np.interp(GRID, x, row) for row in rows]) for rows in (mu, sigma)]
        parts = [
            np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1)
            for a, b in zip(found[0 if self.in_mu else 1 :], self.exact[0 if self.in_mu else 1 :])
        ]
        return max(part.max() for part in parts)

    def solve(self):
        return self.equations.solve(self.times, self.rtol, self.cells, degree=self.degree, scheme=self.scheme)

    def by_differences(self, cells, cfl):
        x = np.linspace(0, 1, cells + 1)
        mu, sigma = mean(x), self.std(x)
        return differences(mu, mu**2 + sigma**2, WAVE_SPEED, self.times, cfl)

    def best_differences(self):
        """The fastest (grid, step) that reaches the error."""
        self.by_differences(10, 0.5)
        found = []
        for cells in self.fd_grids:
            for cfl in (0.9, 0.6, 0.4, 0.25, 0.15, 0.1, 0.06, 0.04, 0.025, 0.015, 0.01, 0.008, 0.006):
                if found and cells**3 / cfl > 1.3 * min(found)[0]:
                    continue
                out = self.by_differences(cells, cfl)
                if self.error_of(np.linspace(0, 1, cells + 1), out[:, 0], out[:, 1]) <= self.error:
                    found.append((cells**3 / cfl, cells, cfl))
                    break
        return min(found)[1:]

    def by_py_pde(self, cells, cfl):
        grid = pde.CartesianGrid([[0, 1]], cells)
        x = grid.axes_coords[0]
        state = pde.FieldCollection(
            [pde.ScalarField(grid, mean(x)), pde.ScalarField(grid, mean(x) ** 2 + self.std(x) ** 2)]
        )
        rows, t = [], 0.0
        for target in self.times:
            steps = int(np.ceil((target - t) / (cfl * 0.5 / cells**2)))
            state = InPyPDE().solve(
                state, t_range=target - t, dt=(target - t) / steps, solver="euler", backend="numpy", tracker=None
            )
            t = target
            rows.append((state.data[0].copy(), np.sqrt(np.maximum(state.data[1] - state.data[0] ** 2, 0))))
        return x, np.array([r[0] for r in rows]), np.array([r[1] for r in rows])


def rows():
    cases = (
        Case("PDE, order one to t = 0.0016, 1e-3 in mu and sigma", order_one_std, [0.0016], 1e-3, True,
             (120, 2, 2e-2, RODAS4), (400, 500, 600, 700, 800, 1000), 5, 50),
        Case("PDE, paper's data, six times, 3e-3 in sigma", small_std,
             np.array([0.01, 0.2, 0.4, 0.6, 0.8, 0.99]) * FREEZE, 3e-3, False,
             (100, 2, 0.9, RODAS3), (200, 225, 250, 300, 350, 400), 2, 30),
    )  # fmt: skip
    for case in cases:
        solution = case.solve()
        error = case.error_of(GRID, solution.mean_at(GRID), solution.std_at(GRID))
        assert error <= case.error, f"{case.name}: our error is {error:.2e}"
        cells, cfl = case.best_differences()
        took = median_times({"ours": case.solve, "peer": partial(case.by_differences, cells, cfl)})
        ours, peer = took["ours"] * 1e3, took["peer"] * 1e3
        name = f"explicit differences, numba, {cells} cells, cfl {cfl:g}"
        yield faster(case.name, name, ours, peer, "ms", case.least)
        x, mu, sigma = case.by_py_pde(cells, cfl)
        error = case.error_of(x, mu, sigma)
        peer = median_time(lambda: case.by_py_pde(cells, cfl), 5) * 1e3
        yield faster(case.name, f"py-pde (numpy), {cells} cells, error {error:.1e}", ours, peer, "ms", case.least_py)
    yield many_problems()


def problem(k):
    """One of many: another wave speed and other data each."""
    return BilliardEquations(5 + k % 30, lambda x: np.sin(3 * x + 0.01 * k), lambda x: 1 + 0.5 * np.cos(np.pi * x))


def many_problems(count=200):
    """Different problems in one call, on one thread, against 300 a second; the problems are new each time."""
    times, first = [0.01, 0.03, 0.1], itertools.count(0, count)

    def solve():
        start = next(first)
        BilliardEquations.solve_all([problem(start + k) for k in range(count)], times, 1e-3, workers=1)

    ours = median_time(solve, 3) / count * 1e3
    return faster("PDE, different problems, each, one core", "300 a second", ours, 1e3 / 300, "ms", 1)
