"""`python -m minispark`: the same as the command `minispark`."""

from minispark.cli import main

if __name__ == "__main__":
    main()
