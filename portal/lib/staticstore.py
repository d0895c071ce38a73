"""Static files with hashed names that tolerate a reference to a missing file."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class ManifestStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Not strict: the portal works without the built frontend assets."""

    manifest_strict = False
