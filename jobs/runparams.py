"""The typed parameters of a job's runs; SQL scripts take the same, so they are kept in `portal.lib.runparams`. PURE."""

from portal.lib.runparams import RunParam, RunParamsError, validate_run_params

__all__ = ["RunParam", "RunParamsError", "validate_run_params"]
