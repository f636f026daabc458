"""Phantom's own transports, one folder a platform. Third parties import only `phantom.*`, never this package."""
