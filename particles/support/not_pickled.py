"""Results that hold functions of the user's, and so cannot be pickled: they say what to do instead."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar, NoReturn, Self


class NotPickled:
    """Base of such results; frozen, so that a copy is the result itself."""

    INSTEAD: ClassVar[str] = "pickle the arrays that are needed, such as its values at points"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise pickle.PicklingError(f"a {type(self).__name__} holds functions and cannot be pickled: {self.INSTEAD}")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
