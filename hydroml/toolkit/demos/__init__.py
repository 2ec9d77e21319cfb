"""Small reproductions, one a file: ``run(seed=0, advance=silent) -> Demo``."""
