"""Beliefs, directions and behaviour clusters: the formulas of the main paper, and what they are fitted on."""
