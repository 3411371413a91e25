"""The language model under study: the only room that touches torch modules and hooks."""
