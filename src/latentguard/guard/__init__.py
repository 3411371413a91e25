"""The Latent Guard: fit, calibrate, score, evaluate, save and load."""
