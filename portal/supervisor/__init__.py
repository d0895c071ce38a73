"""The embedded supervisor behind `manage.py up`: broker, web, worker and beat on one machine.

`environment` decides what the children are told, `services` what is started, `child` owns one process,
`run` the whole.
What it prints is for the operator's console and stays English; nothing here is shown on a page.
"""
