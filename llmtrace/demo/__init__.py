"""The demonstration: a month of plausible traffic with a planted cost regression, and live calls beside it."""
