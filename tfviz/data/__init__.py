"""What is read beside weights: pictures, labels, data sets; from where, and checked how."""
