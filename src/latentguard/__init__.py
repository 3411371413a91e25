"""latentguard: what an open-weight chat model believes about a request, apart from whether it will refuse."""

__version__ = "0.1.0"
