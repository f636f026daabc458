"""SQLite underneath the engine: schema, the one writer thread, and the queries of each store."""
