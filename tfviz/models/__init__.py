"""The networks: each module builds one and lists the rows that port its weights."""
