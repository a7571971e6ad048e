"""`python -m mobileip`: the command line without the installed script."""

from mobileip.control.cli.main import main

if __name__ == "__main__":
    main()
