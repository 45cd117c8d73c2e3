"""The commands of `clipping` that call a service: their help and arguments. `common` has shared options.

The file of the same name in `run/` has what a command does. It is imported when the command runs, since it
loads libraries that help and completion don't need.
"""
