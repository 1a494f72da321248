"""`python -m daemons.load_from_generic`."""

from daemons.load_from_generic import main

main()
