"""The HTTP/1.1 server of both parties: one thread owns the sockets, what takes time is done on others."""
