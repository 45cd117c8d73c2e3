"""The commands of `clipping` that call a service. One file each; `common` has shared functions."""
