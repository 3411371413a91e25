"""Planted against measured: does the instrument find in the organism what was put there?"""

from latentguard.verify.line import Line, Measured, line, mean, share
from latentguard.verify.organism import verify_organism

__all__ = ["Line", "Measured", "line", "mean", "share", "verify_organism"]
