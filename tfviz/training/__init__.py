"""Trains the CIFAR-10 networks: presets, augmentation, the loop, evaluation, the record."""
