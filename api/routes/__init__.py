"""The routes: one file with a Flask blueprint for each subject."""
