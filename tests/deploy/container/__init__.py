"""The container images, without and with a Docker Engine."""
