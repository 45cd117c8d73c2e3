"""The daemon on the NAS: takes requests, cuts, verifies, uploads, signs and publishes completions."""
