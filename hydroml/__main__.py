"""Run the command line as ``python -m hydroml``."""

from hydroml.cli.main import main

if __name__ == "__main__":
    main()
