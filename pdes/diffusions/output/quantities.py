"""The names and units of what diffusions give."""

from scaling_limits.particles.showing.quantities import Quantity

# of a density, and of a current, for d = 1, 2, 3
PER_VOLUME = ("1/length", "1/area", "1/volume")
FLUX = ("1/time", "1/(time length)", "1/(time area)")
TIME = Quantity("T", "mean first passage time", "time")
VARIANCE = Quantity("v", "variance of the first passage time", "time^2")
COMMITTOR = Quantity("q", "probability to reach b before a", "1")
BACKWARD = Quantity("q_back", "probability to have come from a and not from b", "1")
POISSON = Quantity("f", "solution of the Poisson equation", "time times the units of its source")
MASS = Quantity("mass", "integral of the density", "1")
ENTROPY = Quantity("relative_entropy", "int rho log(rho/rho_eq)", "1")
FREE_ENERGY = Quantity("free_energy", "int rho Psi + sigma int rho log rho", "energy")
FIELD = Quantity("f", "field", "unknown")


def density_in(dim: int) -> Quantity:
    """rho in so many dimensions."""
    return Quantity("rho", "probability density", PER_VOLUME[dim - 1])


def reactive_in(dim: int) -> Quantity:
    """The density of reactive paths in so many dimensions."""
    return Quantity("rho_ab", "density of paths on their way from a to b", PER_VOLUME[dim - 1])


def current_in(dim: int) -> Quantity:
    """J in so many dimensions."""
    return Quantity("J", "current of paths from a to b", FLUX[dim - 1])
