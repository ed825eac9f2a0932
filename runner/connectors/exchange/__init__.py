"""The Exchange connector: EWS through exchangelib, tamed. Nothing of exchangelib is visible outside this package."""
