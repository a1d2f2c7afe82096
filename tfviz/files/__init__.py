"""Files: where the program's own lie, hashes, writing whole or not at all, downloads. Imports no framework."""
