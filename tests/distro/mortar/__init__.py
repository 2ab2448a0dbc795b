"""Mortar Linux: Debian's packages as a signed RPM repository, for Ashlar's tests."""
