"""`python -m latentguard`: the command line, where the program is not on the path."""

from latentguard.cli import main

main()
