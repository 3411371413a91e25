"""Changes to activations during a run: what they are, which tokens they meet, how they come into force."""
