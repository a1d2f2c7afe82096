"""Weights of published networks: where they come from, how they are read, how they enter a Keras model."""
