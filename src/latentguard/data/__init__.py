"""Prompts: records, readers, endings, splits, and the package's own contrast set."""
