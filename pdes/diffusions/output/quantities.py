"""The names and units of what diffusions give."""

from scaling_limits.particles.showing.quantities import Quantity

DENSITY = Quantity("rho", "probability density", "1/volume")
REACTIVE = Quantity("rho_ab", "density of paths on their way from a to b", "1/volume")
TIME = Quantity("T", "mean first passage time", "time")
VARIANCE = Quantity("v", "variance of the first passage time", "time^2")
COMMITTOR = Quantity("q", "probability to reach b before a", "1")
BACKWARD = Quantity("q_back", "probability to have come from a and not from b", "1")
POISSON = Quantity("f", "solution of the Poisson equation", "time times the units of its source")
CURRENT = Quantity("J", "current of paths from a to b", "length/(time volume)")
MASS = Quantity("mass", "integral of the density", "1")
ENTROPY = Quantity("relative_entropy", "int rho log(rho/rho_eq)", "1")
FREE_ENERGY = Quantity("free_energy", "int rho Psi + sigma int rho log rho", "energy")
FIELD = Quantity("f", "field", "unknown")
