"""The commands of `clipping` that talk to a service. One file each; `common` is what they share."""
