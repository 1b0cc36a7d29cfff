"""Run container tests on every platform of a multi-arch image, and fail where platforms differ."""
