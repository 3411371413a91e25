"""Replies: prompts continued token by token, and read in the very run that answers them."""
