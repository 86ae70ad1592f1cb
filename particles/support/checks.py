"""Checks of user input, shared by samplers and solvers: each raises InvalidArgument with the name of the argument."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Callable
from typing import Any, SupportsFloat, SupportsIndex, TypeGuard, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidArgument

Profile = Callable[[NDArray[np.float64]], ArrayLike]
Kind = TypeVar("Kind")
# integers up to this size are float64 numbers
MOST_EXACT = 2**53


def integer(name: str, value: object, minimum: int, maximum: int | None = None) -> int:
    """Return an integer within [minimum, maximum]; True and False are none."""
    try:
        truth = isinstance(value, bool | np.bool_)
        number = operator.index(value) if isinstance(value, SupportsIndex) and not truth else None
    except TypeError:
        number = None
    if number is None:
        raise InvalidArgument(name, f"must be an integer, not {shown(value)}")
    if number < minimum or (maximum is not None and number > maximum):
        limit = f"at least {minimum}" if maximum is None else f"between {minimum} and {maximum}"
        raise InvalidArgument(name, f"must be {limit}, not {shown(number)}")
    return number


def seed(value: object) -> int:
    """Return a seed of 64 bits, the key of the counter-based streams."""
    return integer("seed", value, 0, 2**64 - 1)


def number(name: str, value: object, *, above: float | None = None, least: float | None = None) -> float:
    """Return a finite float, above or at least a bound; texts and truth values are no numbers."""
    try:
        real = value is not np.ma.masked and not np.iscomplexobj(np.asarray(value))
        result = float(value) if real and isinstance(value, SupportsFloat | SupportsIndex) else None
    except (TypeError, ValueError, OverflowError):
        result = None
    if result is None or isinstance(value, str | bytes | bool | np.bool_):
        raise InvalidArgument(name, f"must be a number, not {shown(value)}")
    if not np.isfinite(result):
        raise InvalidArgument(name, f"must be finite, not {result}")
    if above is not None and not result > above:
        raise InvalidArgument(name, f"must be above {above:g}, not {result:g}")
    if least is not None and result < least:
        raise InvalidArgument(name, f"must be at least {least:g}, not {result:g}")
    return result


def real_array(name: str, value: object, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return a float64 array of finite numbers, of the given shape if one is given.

    Complex numbers, texts, None and masked entries are refused, where numpy would drop a part of them or make them NaN.
    """
    array = value.copy() if _is_plain(value) else _real_numbers(name, value)
    if shape is not None and array.shape != shape:
        raise InvalidArgument(name, f"must have shape {shape}, not {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidArgument(name, "must be finite; it contains NaN or infinity")
    return array


def numbers(name: str, value: object) -> np.ndarray:
    """As `real_array`; True and False are no numbers: a mask has been given for them."""
    array = real_array(name, value)
    if any(isinstance(one, bool | np.bool_) for one in np.asarray(value, dtype=object).flat):
        raise InvalidArgument(name, f"must be numbers, not truth values: {shown(value)}")
    return array


def _is_plain(value: object) -> TypeGuard[np.ndarray]:
    """Whether a value is an array of float64, in the order that a copy keeps, and of no subclass."""
    return type(value) is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous


def _real_numbers(name: str, value: object) -> np.ndarray:
    if _has_mask(value):
        raise InvalidArgument(name, "must not have masked entries")
    try:
        entries = np.asarray(value)
        if entries.dtype.kind not in "biufO" or not all(hasattr(v, "__float__") for v in _objects(entries)):
            raise TypeError
        return np.array(entries, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        kind = "complex numbers" if _is_complex(value) else shown(value)
        raise InvalidArgument(name, f"must be an array of real numbers, not {kind}") from None


def _has_mask(value: object) -> bool:
    """Whether some entries are masked, which a plain array has not."""
    return type(value) is not np.ndarray and bool(np.ma.is_masked(value))


def _objects(array: np.ndarray) -> Any:
    """The entries of an array that holds objects, such as numbers of sympy."""
    return array.flat if array.dtype == object else ()


def times(value: object) -> np.ndarray:
    """Return snapshot times: one-dimensional, not empty, not negative, not decreasing."""
    array = np.atleast_1d(real_array("times", value))
    if array.ndim != 1 or array.size == 0:
        raise InvalidArgument("times", f"must be a non-empty list of times, not of shape {array.shape}")
    if array[0] < 0:
        raise InvalidArgument("times", f"must not be negative, but the first is {array[0]:g}")
    if (np.diff(array) < 0).any():
        raise InvalidArgument("times", "must not decrease: they are in increasing order, and a time may be given twice")
    return array


def evaluated(
    name: str,
    function: object,
    points: np.ndarray,
    shape: tuple[int, ...] = (),
    *,
    nonnegative: bool = False,
    broadcast: bool = True,
    finite: bool = True,
    exact: bool = False,
) -> np.ndarray:
    """Return the real values (P, *shape) of a user's function at points (P,) or (P, d).

    Args:
        name: of the argument that carries the function.
        function: of the user's; a number counts as a constant function where one value is wanted for each point.
        points: where.
        shape: of one value.
        nonnegative: refuse values below 0.
        broadcast: take one value for all points.
        finite: refuse NaN and infinity.
        exact: refuse integers that are rounded where they become float64.

    Raises:
        InvalidArgument: not callable, it raises (with what it raised as the cause), values of a wrong shape or kind.
    """
    values = called(name, function, points, (len(points), *shape))
    return _checked(name, function, points, values, shape, nonnegative, broadcast, finite, exact)


def _checked(
    name: str, function: object, points: np.ndarray, values: np.ndarray, shape: tuple[int, ...], nonnegative: bool,
    broadcast: bool = True, finite: bool = True, exact: bool = False,
) -> np.ndarray:  # fmt: skip
    """What `evaluated` returns, of what the function has given."""
    wanted = (len(points), *shape)
    if broadcast and values.shape == shape:
        same_for_all(name, function, points, wanted, values)
        values = np.broadcast_to(values, wanted)
    if values.shape != wanted:
        raise InvalidArgument(name, f"must return as many values as it is given points: {wanted}, not {values.shape}")
    if values.dtype.kind not in "biufO":
        raise InvalidArgument(name, f"must return real numbers, not {values.dtype}")
    if exact and values.dtype.kind in "iuO":
        _check_exact(name, values)
    if not finite and values.dtype.kind == "f":
        return values.astype(np.float64)
    try:
        values = real_array(name, values)
    except InvalidArgument as error:
        reason = error.reason.replace("must be finite; it contains", "must return finite values; they contain", 1)
        raise InvalidArgument(name, reason.replace("must be", "must return", 1)) from None
    if nonnegative and (values < 0).any():
        place = points[np.unravel_index(values.argmin(), values.shape)[0]]
        raise InvalidArgument(name, f"must not be negative, but it is {values.min():g} at x = {_place(place)}")
    return values


def _check_exact(name: str, values: np.ndarray) -> None:
    large = [v for v in values[(values > MOST_EXACT) | (values < -MOST_EXACT)].flat if isinstance(v, int | np.integer)]
    if large:
        raise InvalidArgument(
            name,
            f"must not return integers above 2^53, which float64 rounds, such as {large[0]}; return floats, or others",
        )


def same_for_all(name: str, function: object, points: np.ndarray, wanted: tuple[int, ...], value: np.ndarray) -> None:
    """Refuse one value for all points that depends on the points, as with x[0] for x or a sum without its axis.

    Raises:
        InvalidArgument: it does.
    """
    if len(points) < 2 or not callable(function):
        return
    other = called(name, function, points[len(points) // 2 :][::-1], wanted)
    if other.shape != value.shape or not np.array_equal(other, value):
        first = "x[:, 0], not x[0], and sums need axis=1" if points.ndim == 2 else "x, not x[0]"
        raise InvalidArgument(
            name,
            f"must return as many values as it is given points, {_signature(wanted)}, not one value that depends on "
            f"them; the coordinate is {first}",
        )


def mask(name: str, function: object, points: np.ndarray) -> np.ndarray:
    """Return the truth values (P,) of a set, a user's function from points (P, d) to truth values (P,).

    Raises:
        InvalidArgument: not callable, it raises, or it returns something else.
    """
    values = called(name, function, points, (len(points),), what="truth values")
    if values.shape == () and values.dtype == bool:
        values = np.broadcast_to(values, (len(points),))
    if values.shape != (len(points),) or values.dtype != bool:
        raise InvalidArgument(
            name, f"must return truth values ({len(points)},), not {values.dtype} of shape {values.shape}"
        )
    return values


def called(
    name: str, function: object, points: np.ndarray, wanted: tuple[int, ...], what: str = "values",
    lent: bool = True,
) -> np.ndarray:  # fmt: skip
    """Return what a user's function gives at points as an array, whatever it is.

    Args:
        name: of the argument that carries the function.
        function: of the user's.
        points: where.
        wanted: the shape of the values, for messages.
        what: the values, likewise.
        lent: whether the points are needed afterwards; else the function may write into them and keep them.

    Raises:
        InvalidArgument: not callable, or it raises; the message says what would be right.
    """

    def right() -> str:
        return f"a callable from points {_signature(points.shape)} to {what} {_signature(wanted)}"

    if not callable(function):
        if what == "values" and len(wanted) == 1 and np.asarray(function).ndim == 0 and hasattr(function, "__float__"):
            return np.asarray(number(name, function))
        raise InvalidArgument(name, f"must be {right()}, not {shown(function)}")
    try:
        # a copy, since it may write into what it is given
        result = function(points.copy() if lent and isinstance(points, np.ndarray) else points)
        if result is None:
            raise InvalidArgument(name, f"must be {right()}, but it returns None; is a return missing?")
        if _has_mask(result):
            raise InvalidArgument(name, "must not return masked entries")
        values = np.asarray(result)
    except InvalidArgument:
        raise
    except Exception as error:
        raise InvalidArgument(
            name, f"must be {right()}, but it raises {type(error).__name__}: {_first_line(error)}{_hint(error, points)}"
        ) from error
    if values.dtype == object and any(type(v).__module__.partition(".")[0] == "sympy" for v in values.flat):
        raise InvalidArgument(name, f"must be {right()}; use numpy's functions in it instead of sympy's")
    return values


def leaves_alone(name: str, function: Callable[[np.ndarray], Any], points: np.ndarray) -> None:
    """Refuse a user's function that writes into the points (P, d) that it is given.

    Raises:
        InvalidArgument: it does.
    """
    given = points.copy()
    with np.errstate(all="ignore"):
        function(given)
    if not np.array_equal(given, points):
        raise InvalidArgument(name, "must not change the points that it is given; copy them first")


def profile(name: str, function: Profile, points: np.ndarray, *, nonnegative: bool = False) -> np.ndarray:
    """Return the values of a profile, a callable from points (P,) to values (P,) or a number, at the points."""
    return evaluated(name, function, points, nonnegative=nonnegative)


def unseen_profile(
    name: str, function: Profile, points: np.ndarray, *, nonnegative: bool = False, lent: bool = True
) -> np.ndarray:
    """The values of a profile, as in `profile`, of which the caller sees whether they are finite, and not negative.

    Where they are not, `profile` has the error. They may be an array of the user's: nobody writes into it. `lent` is as
    in `called`.
    """
    values = called(name, function, points, (len(points),), lent=lent)
    if _is_plain(values) and values.shape == (len(points),) and values.flags.behaved:
        return values
    return _checked(name, function, points, values, (), nonnegative)


def _hint(error: Exception, points: np.ndarray) -> str:
    """What would help against the usual mistakes in functions of arrays."""
    text = str(error)
    if "truth value of an array" in text:
        return "; it must take arrays: use numpy.where instead of if, & instead of and"
    if ("can be converted to" in text and "scalar" in text) or "cannot convert" in text.lower():
        return "; it must take arrays: use numpy's functions instead of math's"
    if any(word in text for word in ("loop of ufunc", "ympy", "Cannot convert expression")) or _in_sympy(error):
        return "; use numpy's functions in it instead of sympy's"
    if points.ndim == 2 and ("broadcast" in text or "out of bounds" in text):
        return "; points are (P, d): the first coordinate is x[:, 0], not x[0]"
    return ""


def _in_sympy(error: Exception) -> bool:
    """Whether an error was raised by sympy's own code, as its functions do that are given arrays."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(str(frame.f_globals.get("__name__", "")).partition(".")[0] == "sympy" for frame, _ in frames)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _signature(shape: tuple[int, ...]) -> str:
    """The shape of an array of points or values in the words of the docs: (P,), (P, d)."""
    rest = ", ".join(str(n) for n in shape[1:])
    return f"(P, {rest})" if rest else "(P,)"


def _place(point: np.ndarray) -> str:
    return f"{point:g}" if np.ndim(point) == 0 else str([float(f"{c:.6g}") for c in point])


def _is_complex(value: object) -> bool:
    try:
        return bool(np.iscomplexobj(np.asarray(value)))
    except Exception:
        return False


def shown(value: object) -> str:
    """A value as it can stand in a message: its text where that is short, else its type."""
    text = repr(value)
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of shape {value.shape}"
    return text if len(text) <= 80 and "\n" not in text else f"{type(value).__name__} ({text[:60].splitlines()[0]}...)"


def instance(name: str, value: Kind, kind: type[Any]) -> Kind:
    """Return a value of a class."""
    if not isinstance(value, kind):
        raise InvalidArgument(name, f"must be a {kind.__name__}, not {type(value).__name__}")
    return value


def flag(name: str, value: object) -> bool:
    """Return a truth value; numbers and strings are refused."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidArgument(name, f"must be True or False, not {shown(value)}")
    return bool(value)


LARGEST_RTOL = 0.1  # a larger one of a tensor or a density is a mistake


def relative_tolerance(
    value: object, most: float = LARGEST_RTOL, *, above: float | None = None, least: float | None = None
) -> float:
    """Return the argument rtol: a float above or at least a bound, and at most another one."""
    result = number("rtol", value, above=above, least=least)
    if result > most:
        raise InvalidArgument("rtol", f"must be at most {most:g}, not {result:g}")
    return result
