"""How frames travel: the shell that both ends of a connection share, and what else than a socket may carry it."""
