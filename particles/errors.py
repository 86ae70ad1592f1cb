"""Errors of the samplers: each names the argument that is at fault."""

from __future__ import annotations


class InvalidArgument(ValueError):
    """A value that the mathematics does not allow, with the name of the argument that carries it.

    Args:
        argument: the name of the argument, as the caller wrote it.
        reason: what is wrong with it, and what would be right.
    """

    def __init__(self, argument: str, reason: str) -> None:
        super().__init__(f"{argument}: {reason}")
        self.argument = argument
        self.reason = reason

    def __reduce__(self) -> tuple[type[InvalidArgument], tuple[str, str]]:
        return type(self), (self.argument, self.reason)
