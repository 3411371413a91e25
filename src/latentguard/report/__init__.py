"""The audit of one model, and the page that shows it."""
