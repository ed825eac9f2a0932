"""An operator whose commands and service are attacked."""

from tests.e2e.conftest import operator

__all__ = ["operator"]
