"""One process a framework: each builds the described models and times its own training steps."""
