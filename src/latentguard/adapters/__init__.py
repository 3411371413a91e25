"""The guard inside other people's frameworks, one file a package, named as the package.

Each takes whatever `checker_of` takes: a `Guard`, the folder of one, or the address of a running
`latentguard serve`. What cannot be judged (an image, no user turn, a position that cannot be proved) counts
as flagged, with the reason; a server that does not answer raises. Nothing passes in silence.
"""

from latentguard.adapters.checked import Checked, Checker
from latentguard.adapters.in_process import InProcess
from latentguard.adapters.served import Served
from latentguard.adapters.source import Guarding, checker_of

__all__ = ["Checked", "Checker", "Guarding", "InProcess", "Served", "checker_of"]
