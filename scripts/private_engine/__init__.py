"""Parts of `scripts/engine`: private Docker engines for the tests, beside whatever runs here."""
