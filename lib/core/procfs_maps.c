/* /proc/PID/maps and smaps. See procfs.h.
 *
 * The kernel writes a newline in a file name as \012 and nothing else of it in another way (not
 * even a backslash), so every line is whole, and its first character tells what it is: addresses
 * begin with a digit or a small letter, keys with a capital. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "core/procfs.h"
#include "core/scan.h"

static const char vmf_words[][4] = {
#define X(word) #word,
	VMF_LIST(X)
#undef X
};

static uint64_t vmf_of_word(const char *word, size_t length)
{
	for (size_t i = 0; length == 2 && i < sizeof(vmf_words) / sizeof(vmf_words[0]); i++) {
		if (memcmp(vmf_words[i], word, 2) == 0 && vmf_words[i][2] == '\0')
			return 1ull << i;
	}
	return VMF(unknown);
}

static uint64_t scan_vm_flags(const char *at, const char *end)
{
	uint64_t flags = 0;

	while (at < end) {
		size_t length = strcspn(at, " \n");

		if (length > 0)
			flags |= vmf_of_word(at, length);
		at += length + 1;
	}
	return flags;
}

/* A name that holds the four characters \012 reads the same as one with a newline. */
static char *unescape(const char *name, size_t length)
{
	char *text = mem_copy(name, length);
	char *to = text;

	if (!memchr(text, '\\', length))
		return text;
	for (const char *from = text; *from;) {
		if (scan_text(&from, "\\012"))
			*to++ = '\n';
		else
			*to++ = *from++;
	}
	*to = '\0';
	return text;
}

static bool scan_permission(const char **at, char letter, int bit, int *prot)
{
	if (scan_char(at, letter))
		*prot |= bit;
	else if (!scan_char(at, '-'))
		return false;
	return true;
}

static bool scan_permissions(const char **at, struct procfs_vma *vma)
{
	if (!scan_permission(at, 'r', PROT_READ, &vma->prot) ||
	    !scan_permission(at, 'w', PROT_WRITE, &vma->prot) ||
	    !scan_permission(at, 'x', PROT_EXEC, &vma->prot))
		return false;
	vma->is_shared = **at == 's';
	return scan_char(at, 's') || scan_char(at, 'p');
}

static bool scan_header(const char *at, const char *end, struct procfs_vma *vma)
{
	uint64_t major, minor;

	if (!scan_number(&at, 16, UINT64_MAX, &vma->start) || !scan_char(&at, '-') ||
	    !scan_number(&at, 16, UINT64_MAX, &vma->end) || !scan_char(&at, ' ') ||
	    !scan_permissions(&at, vma) || !scan_char(&at, ' ') ||
	    !scan_number(&at, 16, UINT64_MAX, &vma->offset) || !scan_char(&at, ' ') ||
	    !scan_number(&at, 16, UINT32_MAX, &major) || !scan_char(&at, ':') ||
	    !scan_number(&at, 16, UINT32_MAX, &minor) || !scan_char(&at, ' ') ||
	    !scan_number(&at, 10, UINT64_MAX, &vma->inode) || (*at != ' ' && *at != '\n'))
		return false;
	vma->dev_major = (uint32_t)major;
	vma->dev_minor = (uint32_t)minor;
	scan_blanks(&at);
	vma->name = unescape(at, (size_t)(end - at));
	return vma->start < vma->end;
}

static void scan_attribute(const char *line, const char *end, struct procfs_vma *vma)
{
	if (scan_text(&line, "VmFlags:")) {
		vma->vm_flags = scan_vm_flags(line, end);
	} else if (scan_text(&line, "ProtectionKey:")) {
		scan_blanks(&line);
		if (!scan_number(&line, 10, UINT64_MAX, &vma->key))
			vma->key = UINT64_MAX;
	}
}

struct maps {
	struct procfs_vma *vmas; /* owned */
	size_t count;
};

static void maps_free(struct maps *maps)
{
	procfs_maps_free(maps->vmas, maps->count);
}

static int add_line(struct maps *maps, const char *line, const char *end, struct err *err)
{
	struct procfs_vma vma = { .name = NULL };
	bool is_good;

	if (*line >= 'A' && *line <= 'Z') {
		if (maps->count == 0 || !memchr(line, ':', (size_t)(end - line)))
			return err_set(err, ERR_FAILED, "maps: a line that is none of ours");
		scan_attribute(line, end, &maps->vmas[maps->count - 1]);
		return 0;
	}
	is_good = scan_header(line, end, &vma);
	/* proc(5): addresses never go backwards, even while the task runs. */
	if (!is_good || (maps->count > 0 && vma.start < maps->vmas[maps->count - 1].end)) {
		free(vma.name);
		return err_set(err, ERR_FAILED, "maps: damaged line");
	}
	array_grow(maps->vmas, maps->count);
	maps->vmas[maps->count++] = vma;
	return 0;
}

int procfs_maps_parse(const char *text, struct procfs_vma **ret_vmas, size_t *ret_count,
		      struct err *err)
{
	auto_with(maps_free) struct maps maps = { .vmas = NULL };
	const char *end;

	for (const char *line = text; *line; line = end + 1) {
		int r;

		end = strchr(line, '\n');
		if (!end)
			return err_set(err, ERR_FAILED, "maps: cut short");
		r = add_line(&maps, line, end, err);
		if (r < 0)
			return r;
	}
	*ret_count = maps.count;
	*ret_vmas = take_ptr(maps.vmas);
	maps.count = 0;
	return 0;
}

void procfs_maps_free(struct procfs_vma *vmas, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(vmas[i].name);
	free(vmas);
}

bool procfs_find_vdso(pid_t pid, uint64_t *ret_start, uint64_t *ret_end)
{
	auto_close int proc = -1;
	auto_buf struct buf text = BUF_EMPTY;
	struct procfs_vma *vmas = NULL;
	size_t count = 0;
	struct err ignored;
	bool found = false;
	int r = procfs_open_pid(pid, &proc, &ignored);

	if (r == 0)
		r = procfs_read(proc, "maps", &text, &ignored);
	if (r == 0 && text.data)
		(void)procfs_maps_parse(text.data, &vmas, &count, &ignored);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(vmas[i].name, "[vdso]") != 0)
			continue;
		*ret_start = vmas[i].start;
		*ret_end = vmas[i].end;
		found = true;
	}
	procfs_maps_free(vmas, count);
	return found;
}
