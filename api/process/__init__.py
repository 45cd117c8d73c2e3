"""The processes: commands, gunicorn's settings, workers."""
