"""`python -m daemons.extract_to_generic`."""

from daemons.extract_to_generic import main

main()
