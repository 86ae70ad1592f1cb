"""Cell problems by another method: Fourier collocation with FFTs, the peer of the benchmarks and a test oracle."""

import numpy as np
from scipy import fft

TWO_PI = 2.0 * np.pi


def grid(count):
    """The two coordinates (n, 1), (1, n) of an equidistant grid."""
    ticks = np.arange(count) / count
    return ticks[:, None], ticks[None, :]


def effective(tensor, tolerance, iterations=5000):
    """K_eff (B, 2, 2) of scalars (B, n, n) or tensors (B, 2, 2, n, n), n odd; CG with the Green-Jacobi preconditioner."""
    count = tensor.shape[-1]
    if tensor.ndim == 3:
        local = tensor[:, None]
        flux = lambda g, h: (local * g, local * h)  # noqa: E731
    else:
        a, b, c = (tensor[:, i, j][:, None] for i, j in ((0, 0), (0, 1), (1, 1)))
        local = 0.5 * (a + c)
        flux = lambda g, h: (a * g + b * h, b * g + c * h)  # noqa: E731
    first = 1j * TWO_PI * fft.fftfreq(count, 1 / count)[:, None]
    second = 1j * TWO_PI * fft.rfftfreq(count, 1 / count)[None, :]
    green = 1.0 / (np.abs(first) ** 2 + np.abs(second) ** 2 + 0.25 * TWO_PI**2)
    root = 1.0 / np.sqrt(local)
    back = lambda u: fft.irfft2(u, s=(count, count))  # noqa: E731

    def gradient(u):
        modes = fft.rfft2(u)
        return back(first * modes), back(second * modes)

    def divergence(g, h):
        return -back(first * fft.rfft2(g) + second * fft.rfft2(h))

    def dot(u, v):
        return np.einsum("bkij,bkij->bk", u, v)[..., None, None]

    shape = (len(tensor), 2, count, count)
    units = np.zeros(shape), np.zeros(shape)
    units[0][:, 0], units[1][:, 1] = 1.0, 1.0
    r = -divergence(*flux(*units))
    u, z = np.zeros(shape), root * back(green * fft.rfft2(root * r))
    p, rz = z.copy(), dot(r, z)
    start = rz.copy()
    for _ in range(iterations):
        q = divergence(*flux(*gradient(p)))
        step = np.divide(rz, dot(p, q), out=np.zeros_like(rz), where=rz > 0)
        u += step * p
        r -= step * q
        z = root * back(green * fft.rfft2(root * r))
        fresh = dot(r, z)
        if (fresh <= tolerance**2 * start).all():
            break
        p = z + np.divide(fresh, rz, out=np.zeros_like(rz), where=rz > 0) * p
        rz = fresh
    fields = gradient(u)
    for i, field in enumerate(fields):
        field[:, i] += 1.0
    return sum(np.einsum("bkij,blij->bkl", f, v) for f, v in zip(flux(*fields), fields)) / count**2


def in_chunks(tensor, tolerance, size=50):
    """The same for many cells, some at a time, which suits the cache."""
    return np.concatenate([effective(tensor[i : i + size], tolerance) for i in range(0, len(tensor), size)])


def nested(fluctuation, temperature, outer, inner, tolerance):
    """M of V1(y1, y2), two scales in the plane: every inner cell solved, on the grid of the outer one.

    fluctuation: from y1 (..., 2), y2 (..., 2) that broadcast against one another to (...).
    """
    first = np.stack(np.broadcast_arrays(*grid(outer)), axis=-1).reshape(-1, 1, 1, 2)
    second = np.stack(np.broadcast_arrays(*grid(inner)), axis=-1)[None]
    weights = np.exp(-fluctuation(first, second) / temperature)
    tensors = in_chunks(weights, tolerance).reshape(outer, outer, 2, 2).transpose(2, 3, 0, 1)
    return effective(tensors[None], tolerance)[0] / weights.mean()
