"""PyMySQL stands in for mysqlclient where that could not be built."""

from importlib.util import find_spec


def install() -> None:
    """Make `import MySQLdb` work with PyMySQL when mysqlclient is missing; Django checks the version it claims."""
    if find_spec("MySQLdb") is not None:
        return
    import pymysql

    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
