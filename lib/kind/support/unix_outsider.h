/* Who is at the other end of a unix socket that leads outside. */
#pragma once

#include "kind/support/unix_rec.h"

/* A text for people, owned; of datagram sockets, the kernel does not tell. */
char *unix_describe_outsider(int fd);
