"""`python -m phantom` is the same as `phantom`."""

from phantom.cli import main

main()
