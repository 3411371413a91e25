"""What is shown of a model, by number, when it is loaded: each part, and all that can be done with it."""
