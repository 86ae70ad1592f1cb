"""The cost of a solve in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Statistics:
    """Cost of a solve: steps taken and refused, evaluations of f, matrices factored, the extreme step sizes."""

    steps: int = 0
    refused: int = 0
    evaluations: int = 0
    factorisations: int = 0
    smallest_step: float = np.inf
    largest_step: float = 0.0

    @classmethod
    def of(cls, values: np.ndarray) -> Statistics:
        """Return the statistics whose fields, in their order, are these numbers; as they are read from a file."""
        numbers = [float(value) for value in values]
        return cls(*(int(number) for number in numbers[:4]), *numbers[4:])

    @property
    def tried(self) -> int:
        """Steps taken or refused."""
        return self.steps + self.refused

    def keep(self, step: float) -> None:
        """Count a step that was taken."""
        self.steps += 1
        self.smallest_step = min(self.smallest_step, step)
        self.largest_step = max(self.largest_step, step)
