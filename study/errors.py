"""The one exception that speaks to the user."""


class UserError(Exception):
    """A mistake in what was asked for or given, told in one line.

    The line says what was expected, what was found, where, and what to do about it. The command line prints
    it without a traceback and exits with 2.
    """


# Exit codes.
FINISHED, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
