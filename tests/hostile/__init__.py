"""The whole program where things are against it: environments, kills, several runs at once."""
