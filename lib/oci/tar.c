/* Archives, by libarchive. */
#include "oci/tar.h"

#include <iconv.h>
#include <inttypes.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "oci/tar_library.h"

/* ---- writing ---- */

struct tar_writer {
	struct archive *archive; /* owned */
	tar_write_fn *write;
	void *argument;
	struct err failure; /* of `write` */
};

static la_ssize_t pass_on(struct archive *archive, void *argument, const void *data, size_t size)
{
	struct tar_writer *writer = argument;

	if (writer->write(writer->argument, data, size, &writer->failure) == 0)
		return (la_ssize_t)size;
	tar_library.set_error(archive, EIO, "not written");
	return -1;
}

static int writer_failed(const struct tar_writer *writer, struct err *err)
{
	if (writer->failure.code < 0) {
		*err = writer->failure;
		return err->code;
	}
	return err_set(err, ERR_FAILED, "write an archive: %s",
		       tar_library.error_string(writer->archive));
}

struct tar_writer *tar_writer_new(tar_write_fn *write, void *argument)
{
	struct tar_writer *writer = mem_alloc(1, sizeof(*writer));

	*writer = (struct tar_writer){ tar_library.write_new(), write, argument, ERR_NONE };
	/* What ustar has no room for, a size above 8 GiB, in the manner of POSIX.1-2001. */
	if (!writer->archive ||
	    tar_library.write_set_format_pax_restricted(writer->archive) != ARCHIVE_OK ||
	    tar_library.write_set_bytes_per_block(writer->archive, 1 << 16) != ARCHIVE_OK ||
	    tar_library.write_set_bytes_in_last_block(writer->archive, 512) != ARCHIVE_OK ||
	    tar_library.write_open(writer->archive, writer, NULL, pass_on, NULL) != ARCHIVE_OK)
		abort();
	return writer;
}

void tar_writer_free(struct tar_writer *writer)
{
	if (!writer)
		return;
	/* An archive that was given up has no end to be written. */
	(void)tar_library.write_fail(writer->archive);
	(void)tar_library.write_free(writer->archive);
	free(writer);
}

static int add_member(struct tar_writer *writer, const char *name, mode_t mode, uint64_t size,
		      uint64_t time, struct err *err)
{
	struct archive_entry *entry = tar_library.entry_new();
	int r;

	if (!entry)
		abort();
	tar_library.entry_set_pathname(entry, name);
	tar_library.entry_set_mode(entry, mode);
	tar_library.entry_set_size(entry, (la_int64_t)size);
	tar_library.entry_set_mtime(entry, (time_t)time, 0);
	r = tar_library.write_header(writer->archive, entry);
	tar_library.entry_free(entry);
	return r == ARCHIVE_OK ? 0 : writer_failed(writer, err);
}

int tar_add_directory(struct tar_writer *writer, const char *name, uint64_t time, struct err *err)
{
	return add_member(writer, name, S_IFDIR | 0700, 0, time, err);
}

int tar_add_file(struct tar_writer *writer, const char *name, uint64_t size, uint64_t time,
		 struct err *err)
{
	return add_member(writer, name, S_IFREG | 0600, size, time, err);
}

int tar_add_bytes(struct tar_writer *writer, const void *data, size_t size, struct err *err)
{
	la_ssize_t put = tar_library.write_data(writer->archive, data, size);

	return put == (la_ssize_t)size ? 0 : writer_failed(writer, err);
}

int tar_end(struct tar_writer *writer, struct err *err)
{
	return tar_library.write_close(writer->archive) == ARCHIVE_OK ? 0
								      : writer_failed(writer, err);
}

/* ---- reading ---- */

int tar_prepare(struct err *err)
{
	iconv_t conversion = iconv_open(nl_langinfo(CODESET), "UTF-8");

	if (conversion != (iconv_t)-1)
		(void)iconv_close(conversion);
	return tar_library_load(err);
}

struct finding {
	const struct tar_search *search;
	struct archive *archive;
	struct err failure; /* of the caller's functions */
	uint64_t total;	    /* bytes of all members */
	bool is_found;
};

static void free_archive(struct archive **archive)
{
	(void)tar_library.read_free(*archive);
}
#define auto_archive __attribute__((cleanup(free_archive)))

static la_ssize_t take_bytes(struct archive *archive, void *argument, const void **ret_data)
{
	struct finding *finding = argument;
	const struct tar_search *search = finding->search;
	size_t size = 0;

	if (search->read(search->argument, ret_data, &size, &finding->failure) == 0)
		return (la_ssize_t)size;
	tar_library.set_error(archive, EIO, "not read");
	return -1;
}

static int reader_failed(const struct finding *finding, struct err *err)
{
	const char *text = tar_library.error_string(finding->archive);

	if (finding->failure.code < 0) {
		*err = finding->failure;
		return err->code;
	}
	return err_set(err, ERR_DAMAGED, "the layer is no archive: %s", text ? text : "unknown");
}

/* Whoever packed it may have begun with "./". */
static bool is_sought(const struct finding *finding, const char *name)
{
	while (name[0] == '.' && name[1] == '/')
		name += 2;
	return strcmp(name, finding->search->name) == 0;
}

static int pass_content(struct finding *finding, uint64_t size, struct err *err)
{
	const struct tar_search *search = finding->search;
	uint64_t done = 0;
	const void *data;
	la_int64_t offset;
	size_t got;
	int r;

	while ((r = tar_library.read_data_block(finding->archive, &data, &got, &offset)) ==
	       ARCHIVE_OK) {
		if ((uint64_t)offset != done || got > size - done)
			return err_set(err, ERR_DAMAGED, "layer: %s has holes", search->name);
		if (got > 0 && search->write(search->argument, data, got, err) < 0)
			return err->code;
		done += got;
	}
	if (r != ARCHIVE_EOF)
		return reader_failed(finding, err);
	if (done != size)
		return err_set(err, ERR_DAMAGED, "layer: %s is cut off", search->name);
	return 0;
}

static int take_member(struct finding *finding, struct archive_entry *entry, struct err *err)
{
	const struct tar_search *search = finding->search;
	const char *name = tar_library.entry_pathname(entry);
	int64_t size = tar_library.entry_size(entry);

	if (tar_library.entry_hardlink(entry) || tar_library.entry_symlink(entry) ||
	    (tar_library.entry_filetype(entry) != AE_IFREG &&
	     tar_library.entry_filetype(entry) != AE_IFDIR))
		return err_set(err, ERR_DAMAGED, "layer: a member is neither file nor directory");
	/* Others are unpacked, too, to be passed over. */
	if (size < 0 || (uint64_t)size > search->most - finding->total)
		return err_set(err, ERR_REFUSED, "layer: more than %" PRIu64 " bytes",
			       search->most);
	finding->total += (uint64_t)size;
	/* One that is not ASCII may be beyond us. */
	if (!name || !is_sought(finding, name))
		return 0;
	if (finding->is_found)
		return err_set(err, ERR_DAMAGED, "layer: %s is there twice", search->name);
	finding->is_found = true;
	if (tar_library.entry_filetype(entry) != AE_IFREG ||
	    !tar_library.entry_size_is_set(entry) || tar_library.entry_sparse_count(entry) > 0)
		return err_set(err, ERR_DAMAGED, "layer: %s is no plain file", search->name);
	return pass_content(finding, (uint64_t)size, err);
}

static int take_members(struct finding *finding, struct err *err)
{
	struct archive_entry *entry;
	int r;

	while ((r = tar_library.read_next_header(finding->archive, &entry)) == ARCHIVE_OK ||
	       r == ARCHIVE_WARN) {
		r = take_member(finding, entry, err);
		if (r < 0)
			return r;
	}
	if (r != ARCHIVE_EOF)
		return reader_failed(finding, err);
	if (!finding->is_found)
		return err_set(err, ERR_REFUSED,
			       "there is no %s in the layer: it is no image of "
			       "ctckpt's",
			       finding->search->name);
	return 0;
}

int tar_find(const struct tar_search *search, struct err *err)
{
	auto_archive struct archive *archive = tar_library.read_new();
	struct finding finding = { search, archive, ERR_NONE, 0, false };

	if (!archive || tar_library.read_support_format_tar(archive) != ARCHIVE_OK ||
	    tar_library.read_support_filter_gzip(archive) != ARCHIVE_OK ||
	    tar_library.read_support_filter_zstd(archive) != ARCHIVE_OK)
		return err_set(err, ERR_HOST, "this libarchive cannot read gzip or zstd");
	if (tar_library.read_open(archive, &finding, NULL, take_bytes, NULL) != ARCHIVE_OK)
		return reader_failed(&finding, err);
	return take_members(&finding, err);
}
