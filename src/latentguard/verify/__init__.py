"""Planted against measured: does the instrument find in the organism what was put there?"""

from latentguard.verify.line import NOTHING, Line, Measured, line, share
from latentguard.verify.organism import verify_organism

__all__ = ["NOTHING", "Line", "Measured", "line", "share", "verify_organism"]
