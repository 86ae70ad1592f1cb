"""What every refusal of bad input must say."""

import pytest

from scaling_limits.particles import InvalidArgument


def refused(argument, word, call):
    """A call raises InvalidArgument, which names the argument and says what would be right, in few words."""
    with pytest.raises(InvalidArgument) as caught:
        call()
    assert str(caught.value).startswith(f"{argument}: "), caught.value
    assert caught.value.argument == argument
    assert word in caught.value.reason, caught.value
    assert len(str(caught.value)) < 400
