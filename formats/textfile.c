#include "formats/textfile.h"

#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define INPUT_SIZE 65536

enum packing { PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct textfile {
	char *name;
	int fd;
	enum packing packing;
	bool eof;	 /* of the file itself */
	bool mid_stream; /* compressed data that has begun and not ended */
	uint8_t input[INPUT_SIZE];
	size_t pos, len; /* the unused part of input */
	z_stream gzip;
	ZSTD_DStream *zstd;
	const char *failed; /* what zstd stumbled over, behind what it has delivered */
};

static struct error *refill(struct textfile *file)
{
	ssize_t n;

	if (file->eof || file->pos < file->len)
		return NULL;
	do {
		n = read(file->fd, file->input, sizeof(file->input));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_errno(errno, "%s", file->name);
	file->pos = 0;
	file->len = (size_t)n;
	file->eof = n == 0;
	return NULL;
}

/* Reads the first bytes, few at a time where a pipe gives them so. */
static struct error *read_magic(struct textfile *file)
{
	while (file->len < 4) {
		ssize_t n =
			read(file->fd, file->input + file->len, sizeof(file->input) - file->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(errno, "%s", file->name);
		if (n == 0)
			break;
		file->len += (size_t)n;
	}
	if (file->len >= 2 && !memcmp(file->input, "\x1f\x8b", 2))
		file->packing = PACKING_GZIP;
	else if (file->len >= 4 && !memcmp(file->input, "\x28\xb5\x2f\xfd", 4))
		file->packing = PACKING_ZSTD;
	return NULL;
}

static struct error *start_unpacking(struct textfile *file)
{
	if (file->packing == PACKING_GZIP && inflateInit2(&file->gzip, 15 + 16) != Z_OK)
		return error_new("%s: zlib cannot be set up", file->name);
	if (file->packing == PACKING_ZSTD) {
		file->zstd = ZSTD_createDStream();
		if (!file->zstd)
			return error_new("%s: zstd cannot be set up", file->name);
	}
	return NULL;
}

struct error *textfile_open(const char *path, struct textfile **result)
{
	bool standard_input = !strcmp(path, "-");
	struct textfile *file;
	struct error *err;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(errno, "%s", path);
	file = xcalloc(1, sizeof(*file));
	file->name = xstrdup(standard_input ? "standard input" : path);
	file->fd = fd;
	err = read_magic(file);
	if (!err)
		err = start_unpacking(file);
	if (err) {
		textfile_close(file);
		return err;
	}
	*result = file;
	return NULL;
}

static struct error *damaged(const struct textfile *file, const char *what)
{
	return error_new("%s: the compressed data is damaged (%s)", file->name, what);
}

/* One step of decompression; *len may be 0 although there is more. */
static struct error *gzip_step(struct textfile *file, void *data, size_t cap, size_t *len)
{
	size_t room = cap < UINT_MAX ? cap : UINT_MAX;
	int ret;

	/* Zeros behind the last member are padding. */
	while (!file->mid_stream && file->pos < file->len && !file->input[file->pos])
		file->pos++;
	if (file->pos == file->len)
		return NULL;
	file->gzip.next_in = file->input + file->pos;
	file->gzip.avail_in = (uInt)(file->len - file->pos);
	file->gzip.next_out = data;
	file->gzip.avail_out = (uInt)room;
	file->mid_stream = true;
	ret = inflate(&file->gzip, Z_NO_FLUSH);
	*len = room - file->gzip.avail_out;
	file->pos = file->len - file->gzip.avail_in;
	if (ret == Z_STREAM_END) {
		file->mid_stream = false;
		ret = inflateReset(&file->gzip);
	}
	if (ret != Z_OK && ret != Z_BUF_ERROR && !*len)
		return damaged(file, file->gzip.msg ? file->gzip.msg : "not gzip");
	return NULL;
}

static struct error *zstd_step(struct textfile *file, void *data, size_t cap, size_t *len)
{
	ZSTD_inBuffer in = {file->input, file->len, file->pos};
	ZSTD_outBuffer out = {data, cap, 0};
	size_t ret;

	if (file->failed)
		return damaged(file, file->failed);
	if (file->pos == file->len && !file->mid_stream)
		return NULL;
	ret = ZSTD_decompressStream(file->zstd, &out, &in);
	file->pos = in.pos;
	*len = out.pos;
	if (ZSTD_isError(ret)) {
		file->failed = ZSTD_getErrorName(ret);
		return *len ? NULL : damaged(file, file->failed);
	}
	file->mid_stream = ret != 0;
	return NULL;
}

struct error *textfile_read(struct textfile *file, void *data, size_t cap, size_t *len)
{
	*len = 0;
	while (!*len) {
		TRY(refill(file));
		if (file->packing == PACKING_NONE) {
			size_t left = file->len - file->pos;

			*len = left < cap ? left : cap;
			memcpy(data, file->input + file->pos, *len);
			file->pos += *len;
			return NULL;
		}
		if (file->packing == PACKING_GZIP)
			TRY(gzip_step(file, data, cap, len));
		else
			TRY(zstd_step(file, data, cap, len));
		if (!*len && file->eof)
			return file->mid_stream ? damaged(file, "it ends early") : NULL;
	}
	return NULL;
}

void textfile_close(struct textfile *file)
{
	if (!file)
		return;
	if (file->packing == PACKING_GZIP)
		inflateEnd(&file->gzip);
	ZSTD_freeDStream(file->zstd);
	if (file->fd != STDIN_FILENO)
		close(file->fd);
	free(file->name);
	free(file);
}
