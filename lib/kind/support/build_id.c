/* The GNU build-id of an ELF file. The file is hostile: nothing in it is believed, and no more of
 * it is read than its headers and a few notes of bounded size. */
#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "kind/support/file_identity.h"

#define PROGRAM_HEADERS_MAX 256u
#define NOTES_MAX	    (64u << 10)

struct elf_layout {
	uint64_t headers; /* offset of the program headers */
	uint32_t count;
	bool is_64;
};

struct elf_notes {
	uint64_t offset;
	uint64_t size;
	uint64_t alignment; /* 4 or 8 */
};

static bool read_at(int fd, void *data, size_t size, uint64_t offset)
{
	if (offset > INT64_MAX)
		return false;
	return pread(fd, data, size, (off_t)offset) == (ssize_t)size;
}

static bool layout_read(int fd, struct elf_layout *ret_layout)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr e32;
		Elf64_Ehdr e64;
	} header;
	bool is_64;

	if (!read_at(fd, header.ident, EI_NIDENT, 0) ||
	    memcmp(header.ident, ELFMAG, SELFMAG) != 0 || header.ident[EI_DATA] != ELFDATA2LSB)
		return false;
	is_64 = header.ident[EI_CLASS] == ELFCLASS64;
	if (!is_64 && header.ident[EI_CLASS] != ELFCLASS32)
		return false;
	if (!read_at(fd, &header, is_64 ? sizeof(header.e64) : sizeof(header.e32), 0))
		return false;

	*ret_layout = (struct elf_layout){
		.headers = is_64 ? header.e64.e_phoff : header.e32.e_phoff,
		.count = is_64 ? header.e64.e_phnum : header.e32.e_phnum,
		.is_64 = is_64,
	};
	return ret_layout->count <= PROGRAM_HEADERS_MAX;
}

/* Program header `number`; false if it is not one of notes. */
static bool notes_find(int fd, const struct elf_layout *layout, uint32_t number,
		       struct elf_notes *ret_notes)
{
	size_t size = layout->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	union {
		Elf32_Phdr p32;
		Elf64_Phdr p64;
	} header;
	uint64_t offset;

	if (__builtin_add_overflow(layout->headers, (uint64_t)number * size, &offset) ||
	    !read_at(fd, &header, size, offset))
		return false;
	if ((layout->is_64 ? header.p64.p_type : header.p32.p_type) != PT_NOTE)
		return false;
	ret_notes->offset = layout->is_64 ? header.p64.p_offset : header.p32.p_offset;
	ret_notes->size = layout->is_64 ? header.p64.p_filesz : header.p32.p_filesz;
	ret_notes->alignment = layout->is_64 && header.p64.p_align == 8 ? 8 : 4;
	return ret_notes->size <= NOTES_MAX;
}

static const void *take_aligned(struct reader *reader, size_t size, size_t alignment)
{
	size_t over = size & (alignment - 1);
	const void *data = reader_take(reader, size);

	/* The last one needs no padding. */
	if (data && over)
		(void)reader_take(reader, alignment - over);
	return data;
}

static uint32_t notes_search(struct reader reader, size_t alignment,
			     unsigned char ret_id[BUILD_ID_MAX])
{
	const void *place;

	while ((place = reader_take(&reader, sizeof(Elf64_Nhdr)))) {
		const char *name;
		const void *id;
		Elf64_Nhdr note;

		memcpy(&note, place, sizeof(note));
		name = take_aligned(&reader, note.n_namesz, alignment);
		id = name ? take_aligned(&reader, note.n_descsz, alignment) : NULL;
		if (!id)
			return 0;
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
		    memcmp(name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0)
			continue;
		if (note.n_descsz > BUILD_ID_MAX)
			return 0;
		memcpy(ret_id, id, note.n_descsz);
		return note.n_descsz;
	}
	return 0;
}

uint32_t build_id_read(int fd, unsigned char ret_id[BUILD_ID_MAX])
{
	struct elf_layout layout;

	if (!layout_read(fd, &layout))
		return 0;
	for (uint32_t i = 0; i < layout.count; i++) {
		auto_free unsigned char *data = NULL;
		struct elf_notes notes;
		uint32_t size;

		if (!notes_find(fd, &layout, i, &notes))
			continue;
		data = mem_alloc(notes.size, 1);
		if (!read_at(fd, data, notes.size, notes.offset))
			continue;
		size = notes_search(reader_of(data, notes.size), notes.alignment, ret_id);
		if (size > 0)
			return size;
	}
	return 0;
}
