"""What is measured of a network or a picture."""
