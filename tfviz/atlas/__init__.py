"""Every unit of a network: what excites it most, drawn and found in a data set."""
