"""`python -m kilnsense`: the same as the command `kilnsense`."""

from kilnsense.cli.main import main

if __name__ == "__main__":
    main()
