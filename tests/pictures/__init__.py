"""`make pictures`: what patients see, taken from the running portal into `docs/pictures/`."""
