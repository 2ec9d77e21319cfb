"""The command line: one command a file, thin; heavy imports live inside the commands."""
