"""Proofs of the daemon, mirroring its folders; they know no real server but those on loopback."""
