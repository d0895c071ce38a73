"""One file per kind of database. Third parties add theirs through the entry-point group "portal.datasource_drivers"."""

from datasources.drivers.base import DRIVERS, Driver, DriverParams
from datasources.drivers.mysql import MySQL
from datasources.drivers.postgres import Postgres
from datasources.drivers.sqlite import SQLite
from datasources.target import ConnectionTarget

__all__ = ["DRIVERS", "ConnectionTarget", "Driver", "DriverParams", "MySQL", "Postgres", "SQLite"]
