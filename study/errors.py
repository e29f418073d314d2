"""The exception for a mistake of the user's, and the exit codes."""


class UserError(Exception):
    """A mistake in what was asked for or given, in one line.

    The line names what was expected, what was found, where, and what to do about it. The command line prints
    it without a traceback and exits with 2.
    """


FINISHED, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def first_line(error: BaseException) -> str:
    """The first line of an error's text; its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def type_and_line(error: BaseException) -> str:
    """An error's type and the first line of its text, "OSError: disk full"."""
    name = type(error).__name__
    return f"{name}: {first_line(error)}" if str(error).strip() else name
