"""The routes, one file for each subject; each holds a Flask blueprint."""
