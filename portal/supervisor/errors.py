"""What stops a start."""

import errno


class StartError(Exception):
    """The portal can't start; the text is the sentence that the operator reads."""


def sentence(error: OSError) -> str:
    """What an operating-system error means for the operator and what to do about it."""
    where = error.filename or "the data folder"
    if error.errno == errno.ENOSPC:
        return f"The disk that holds {where} is full. Free some space, or choose another folder with DATA_DIR."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} can't be written. Give this user the right to, or choose another folder with DATA_DIR."
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"{where} is not a folder. Move it away, or choose another folder with DATA_DIR."
    return f"{where}: {error.strerror or error}."
