/* Removing files from a root directory, of which an enemy may have made what he likes: through no
 * link and no mount. */
#pragma once

#include <stdbool.h>

/* `name` in `dir`, a directory with all that is in it; it need not be there. Returns a negative
 * errno: -EXDEV if there is a mount on the way, -ELOOP if it is too deep. */
int tree_clear(int dir, const char *name);
/* Opens a directory in that way; -1 and errno. With `may_be_mount`, one that has a mount on it is
 * opened with O_PATH. */
int tree_open_here(int dir, const char *name, bool may_be_mount, bool *ret_is_mount);
