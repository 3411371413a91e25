"""The embedded chat model with planted, known behaviour: grammar, recipe, weights, planted truth."""
