#include "record/stderr_tee.h"

#include "formats/bytes.h"
#include "formats/gctrace.h"
#include "formats/xalloc.h"
#include "record/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define READ_SIZE      (64u << 10)
#define PIPE_SIZE      (1 << 20) /* what the command may be ahead of the reader, where allowed */
#define MAX_LINE       4096u	 /* of a gctrace line; the longest that Go writes has about 300 */
#define QUIET_MS       100	 /* of others than the command, which then is not waited for */
#define MAX_QUIET_NS   1000000000ull
#define MAX_FLUSH_NS   1000000000ull
#define RESIZE_TICK_MS 500

struct stderr_tee {
	int out_fd, log_fd;
	int in_fd, child_fd; /* the two ends */
	bool is_terminal;
	struct winsize size;
	int wake_fd; /* lines to take */
	int end_fd;  /* tells the reader that the command has ended */
	pthread_t reader, writer;
	bool reading, writing; /* there is such a thread, to be joined */
	struct gctrace_parser *parser;
	uint64_t now; /* of the bytes that the parser is being fed */
	bool reached_end;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by lock */
	uint8_t *pending; /* a ring of TEE_MAX_PENDING */
	size_t first, n_pending;
	bool closed; /* nothing more will be added */
	struct tee_line *lines;
	size_t n_lines, cap_lines;
	uint64_t left_out;
};

/* ---- The lines ----------------------------------------------------------------------------- */

static bool wanted(enum gctrace_kind kind)
{
	return kind == GCTRACE_GC || kind == GCTRACE_GC_FORCED || kind == GCTRACE_SCAV ||
	       kind == GCTRACE_SCVG;
}

/* Lines that are torn come whole from the parser. */
static void take_line(void *context, const struct gctrace_entry *entry)
{
	struct stderr_tee *tee = context;
	char *text;

	if (!wanted(entry->kind) || entry->raw_len > MAX_LINE)
		return;
	if (tee->log_fd >= 0) {
		char *line = xasprintf("%.*s\n", (int)entry->raw_len, entry->raw);

		/* A disk that is full must not end the command's output. */
		if (write(tee->log_fd, line, strlen(line)) < 0)
			tee->log_fd = -1;
		free(line);
	}
	text = xstrndup(entry->raw, entry->raw_len);
	pthread_mutex_lock(&tee->lock);
	if (tee->n_lines < TEE_MAX_LINES) {
		xgrow(tee->lines, tee->cap_lines, tee->n_lines + 1);
		tee->lines[tee->n_lines++] = (struct tee_line){tee->now, text};
		text = NULL;
	} else {
		tee->left_out++;
	}
	pthread_mutex_unlock(&tee->lock);
	free(text);
	eventfd_write(tee->wake_fd, 1);
}

/* ---- The threads --------------------------------------------------------------------------- */

/* Waits while there is no room: so does the command then, as if it wrote to our output itself. */
static void add_pending(struct stderr_tee *tee, const uint8_t *bytes, size_t len)
{
	pthread_mutex_lock(&tee->lock);
	while (len) {
		size_t at, n = TEE_MAX_PENDING - tee->n_pending;

		if (!n) {
			pthread_cond_wait(&tee->changed, &tee->lock);
			continue;
		}
		at = (tee->first + tee->n_pending) % TEE_MAX_PENDING;
		n = n < TEE_MAX_PENDING - at ? n : TEE_MAX_PENDING - at;
		n = n < len ? n : len;
		memcpy(tee->pending + at, bytes, n);
		tee->n_pending += n;
		bytes += n;
		len -= n;
		pthread_cond_broadcast(&tee->changed);
	}
	pthread_mutex_unlock(&tee->lock);
}

/* Where the window was resized, the command's terminal is too. */
static void follow_size(struct stderr_tee *tee)
{
	struct winsize size;

	if (!tee->is_terminal || ioctl(tee->out_fd, TIOCGWINSZ, &size) != 0 ||
	    memcmp(&size, &tee->size, sizeof(size)) == 0)
		return;
	tee->size = size;
	ioctl(tee->in_fd, TIOCSWINSZ, &size);
}

/*
 * Waits for bytes. False: there will be none, for the command has ended and what it left is read.
 * Others that have its standard error open do not end with it: a short silence is their end.
 */
static bool wait_for_bytes(struct stderr_tee *tee, uint64_t *ended)
{
	struct pollfd fds[2] = {
		{.fd = tee->in_fd, .events = POLLIN},
		{.fd = *ended ? -1 : tee->end_fd, .events = POLLIN},
	};

	for (;;) {
		int timeout = *ended ? QUIET_MS : tee->is_terminal ? RESIZE_TICK_MS : -1;
		int n = poll(fds, 2, timeout);

		follow_size(tee);
		if (fds[1].fd >= 0 && n > 0 && fds[1].revents) {
			*ended = watch_now();
			fds[1].fd = -1;
		}
		if (*ended && (n == 0 || watch_now() - *ended > MAX_QUIET_NS))
			return false;
		if (n > 0 && fds[0].revents)
			return true;
	}
}

static void *read_all(void *context)
{
	struct stderr_tee *tee = context;
	uint8_t *bytes = xmalloc(READ_SIZE);
	uint64_t ended = 0;

	while (wait_for_bytes(tee, &ended)) {
		ssize_t n = read(tee->in_fd, bytes, READ_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		/* The terminal's other side reads EIO when the last one of this side is closed. */
		if (n <= 0) {
			tee->reached_end = true;
			break;
		}
		tee->now = watch_now();
		add_pending(tee, bytes, (size_t)n);
		gctrace_parser_feed(tee->parser, bytes, (size_t)n);
	}
	gctrace_parser_finish(tee->parser);
	pthread_mutex_lock(&tee->lock);
	tee->closed = true;
	pthread_cond_broadcast(&tee->changed);
	pthread_mutex_unlock(&tee->lock);
	free(bytes);
	return NULL;
}

/* Writes what lies in one piece; what cannot be written, to a closed pipe, is gone. */
static size_t write_out(int fd, const uint8_t *bytes, size_t len)
{
	ssize_t n = write(fd, bytes, len);

	if (n >= 0)
		return (size_t)n;
	if (errno == EINTR)
		return 0;
	if (errno == EAGAIN) {
		poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		return 0;
	}
	return len;
}

static void *write_all(void *context)
{
	struct stderr_tee *tee = context;

	pthread_mutex_lock(&tee->lock);
	while (tee->n_pending || !tee->closed) {
		size_t n = TEE_MAX_PENDING - tee->first;

		if (!tee->n_pending) {
			pthread_cond_wait(&tee->changed, &tee->lock);
			continue;
		}
		n = n < tee->n_pending ? n : tee->n_pending;
		pthread_mutex_unlock(&tee->lock);
		/* The reader adds behind these bytes and leaves them alone. */
		n = write_out(tee->out_fd, tee->pending + tee->first, n);
		pthread_mutex_lock(&tee->lock);
		tee->first = (tee->first + n) % TEE_MAX_PENDING;
		tee->n_pending -= n;
		pthread_cond_broadcast(&tee->changed);
	}
	pthread_mutex_unlock(&tee->lock);
	return NULL;
}

/* ---- From outside -------------------------------------------------------------------------- */

/* Nothing is done to the bytes on their way: what is to be done, our own terminal does. */
static bool open_terminal(struct stderr_tee *tee)
{
	struct termios mode;

	if (tcgetattr(tee->out_fd, &mode) != 0)
		return false;
	ioctl(tee->out_fd, TIOCGWINSZ, &tee->size);
	mode.c_oflag &= ~(tcflag_t)OPOST;
	mode.c_lflag &= ~(tcflag_t)ECHO;
	if (openpty(&tee->in_fd, &tee->child_fd, NULL, &mode, &tee->size) != 0)
		return false;
	fcntl(tee->in_fd, F_SETFD, FD_CLOEXEC);
	fcntl(tee->child_fd, F_SETFD, FD_CLOEXEC);
	tee->is_terminal = true;
	return true;
}

static struct error *open_ends(struct stderr_tee *tee)
{
	int ends[2];

	tee->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tee->end_fd = eventfd(0, EFD_CLOEXEC);
	if (tee->wake_fd < 0 || tee->end_fd < 0)
		return error_errno(errno, "eventfd");
	if (open_terminal(tee))
		return NULL;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_errno(errno, "cannot make a pipe");
	tee->in_fd = ends[0];
	tee->child_fd = ends[1];
	/* More room than usual for bursts; the usual will do where this is not allowed. */
	fcntl(tee->in_fd, F_SETPIPE_SZ, PIPE_SIZE);
	return NULL;
}

struct error *stderr_tee_new(int out_fd, int log_fd, struct stderr_tee **out)
{
	struct stderr_tee *tee = xcalloc(1, sizeof(*tee));
	struct error *err;

	*tee = (struct stderr_tee){
		.out_fd = out_fd,
		.log_fd = log_fd,
		.in_fd = -1,
		.child_fd = -1,
		.wake_fd = -1,
		.end_fd = -1,
		.pending = xmalloc(TEE_MAX_PENDING),
	};
	pthread_mutex_init(&tee->lock, NULL);
	pthread_cond_init(&tee->changed, NULL);
	tee->parser = gctrace_parser_new(take_line, tee);
	err = open_ends(tee);
	if (err)
		stderr_tee_free(tee);
	else
		*out = tee;
	return err;
}

int stderr_tee_child_fd(const struct stderr_tee *tee)
{
	return tee->child_fd;
}

struct error *stderr_tee_start(struct stderr_tee *tee)
{
	int errnum;

	close(tee->child_fd);
	tee->child_fd = -1;
	errnum = pthread_create(&tee->writer, NULL, write_all, tee);
	tee->writing = errnum == 0;
	if (!errnum) {
		errnum = pthread_create(&tee->reader, NULL, read_all, tee);
		tee->reading = errnum == 0;
	}
	return errnum ? error_errno(errnum, "cannot start a thread") : NULL;
}

int stderr_tee_fd(const struct stderr_tee *tee)
{
	return tee->wake_fd;
}

struct tee_line *stderr_tee_take(struct stderr_tee *tee, size_t *n)
{
	struct tee_line *lines;
	eventfd_t count;

	eventfd_read(tee->wake_fd, &count);
	pthread_mutex_lock(&tee->lock);
	lines = tee->lines;
	*n = tee->n_lines;
	tee->lines = NULL;
	tee->n_lines = tee->cap_lines = 0;
	pthread_mutex_unlock(&tee->lock);
	return lines;
}

uint64_t stderr_tee_left_out(struct stderr_tee *tee)
{
	uint64_t left_out;

	pthread_mutex_lock(&tee->lock);
	left_out = tee->left_out;
	pthread_mutex_unlock(&tee->lock);
	return left_out;
}

static void join_reader(struct stderr_tee *tee)
{
	if (!tee->reading)
		return;
	eventfd_write(tee->end_fd, 1);
	pthread_join(tee->reader, NULL);
	tee->reading = false;
}

bool stderr_tee_ended(struct stderr_tee *tee)
{
	uint64_t until = watch_now() + MAX_FLUSH_NS;

	join_reader(tee);
	pthread_mutex_lock(&tee->lock);
	while (tee->n_pending && watch_now() < until) {
		pthread_mutex_unlock(&tee->lock);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		pthread_mutex_lock(&tee->lock);
	}
	pthread_mutex_unlock(&tee->lock);
	return tee->reached_end;
}

void stderr_tee_free(struct stderr_tee *tee)
{
	size_t n;
	struct tee_line *lines;

	if (!tee)
		return;
	join_reader(tee);
	pthread_mutex_lock(&tee->lock);
	tee->closed = true;
	pthread_cond_broadcast(&tee->changed);
	pthread_mutex_unlock(&tee->lock);
	if (tee->writing)
		pthread_join(tee->writer, NULL);
	if (tee->wake_fd >= 0) {
		lines = stderr_tee_take(tee, &n);
		for (size_t i = 0; i < n; i++)
			free(lines[i].text);
		free(lines);
	}
	int fds[] = {tee->in_fd, tee->child_fd, tee->wake_fd, tee->end_fd};
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	gctrace_parser_free(tee->parser);
	pthread_cond_destroy(&tee->changed);
	pthread_mutex_destroy(&tee->lock);
	free(tee->pending);
	free(tee);
}

/* The runtime reads the list from left to right: what stands last holds. */
char *godebug_with_gctrace(const char *old)
{
	const char *value = NULL;

	if (!old || !*old)
		return xstrdup("gctrace=1");
	for (const char *at = old; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, "gctrace=", 8) == 0)
			value = at + 8;
	}
	if (value && atoi(value) > 0)
		return xstrdup(old);
	return xasprintf("%s,gctrace=1", old);
}
