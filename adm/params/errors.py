"""The one error that users meet."""


class UserError(Exception):
    """A mistake outside the code: one line that names the file or key, what was found and what is accepted."""
