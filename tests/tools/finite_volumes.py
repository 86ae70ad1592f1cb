"""A second solver of the pinned-billiard equations, written for the tests: finite volumes in (mu, E), stepped by LSODA."""

import numpy as np
from scipy.integrate import solve_ivp


def averages(profile, cells, points=64):
    """The averages (cells,) of a function over equal cells of [0, 1], by the midpoint rule; exact where it is
    piecewise constant with jumps at multiples of 1/(cells points).
    """
    x = (np.arange(cells * points) + 0.5) / (cells * points)
    return np.broadcast_to(profile(x), x.shape).reshape(cells, points).mean(1)


def finite_volumes(speed, mean, std, times, cells, absorbing=False, rtol=1e-9):
    """mu and sigma (T, cells) at the centres of equal cells; fluxes are central, hence of second order."""
    h = 1.0 / cells
    start = np.empty(2 * cells)
    start[::2] = averages(mean, cells)
    start[1::2] = averages(lambda x: 0.5 * (np.square(mean(x)) + np.square(std(x))), cells)
    flux = np.zeros((2, cells + 1))

    def rate(t, y):
        mu, energy = y[::2], y[1::2]
        sigma = np.sqrt(np.maximum(2 * energy - mu**2, 0.0))
        for k, (u, carried) in enumerate(((mu, sigma), (energy, mu * sigma))):
            flux[k, 1:-1] = (u[1:] - u[:-1]) / h - 0.5 * speed * (carried[1:] + carried[:-1])
        if absorbing:  # mu_x = 0, w = 0 at half a cell from the centres
            flux[1, 0] = (2 * energy[0] - mu[0] ** 2) / h
            flux[1, -1] = -(2 * energy[-1] - mu[-1] ** 2) / h
        return (np.diff(flux, axis=1) / h).T.ravel()

    size = max(np.abs(start[::2]).max(), np.sqrt(2 * start[1::2].max()))
    found = solve_ivp(
        rate, (0.0, times[-1]), start, method="LSODA", t_eval=times, rtol=rtol, atol=rtol * 1e-3 * min(size, size**2),
        lband=3, uband=3, first_step=min(0.1 * h**2, 0.1 * times[-1]),
    )  # fmt: skip
    assert found.success, found.message
    mu, energy = found.y[::2].T, found.y[1::2].T
    return mu, np.sqrt(np.maximum(2 * energy - mu**2, 0.0))


def reference(speed, mean, std, times, cells, **options):
    """Centres x (cells,), mu and sigma (T, cells): extrapolated from cells and a third of them, of fourth order where smooth."""
    coarse = finite_volumes(speed, mean, std, times, cells, **options)
    fine = finite_volumes(speed, mean, std, times, 3 * cells, **options)
    values = [(9 * f[:, 1::3] - c) / 8 for c, f in zip(coarse, fine)]
    return (np.arange(cells) + 0.5) / cells, *values
