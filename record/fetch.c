#include "record/fetch.h"

#include "common/arguments.h"
#include "formats/dumps.h"
#include "formats/xalloc.h"
#include "record/watch.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS  10000L
#define PATIENCE_NS 10000000000ull /* with a server that is still starting */
#define RETRY_NS    200000000ull

struct fetched {
	uint64_t time;
	const char *url;
	struct buffer body;
};

struct worker {
	struct fetch *fetch;
	const struct fetch_source *source;
	pthread_t thread;
	bool started;
	size_t tried;
	CURLcode failure; /* of the last request: it is not told twice in a row */
};

struct fetch {
	struct worker *workers;
	size_t n_workers;
	int wake_fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by lock */
	bool last, stop;
	size_t idle;
	size_t bytes;
	struct fetched *dumps;
	size_t n_dumps, cap_dumps;
	char **remarks;
	size_t n_remarks, cap_remarks;
};

bool fetch_parse_source(const char *text, struct fetch_source *source)
{
	const char *at = strrchr(text, '@');
	size_t len = strlen(text);

	*source = (struct fetch_source){0};
	if (at && argument_duration(at + 1, &source->every)) {
		if (!source->every)
			return false;
		len = (size_t)(at - text);
	}
	source->url = xstrndup(text, len);
	if ((strncmp(text, "http://", 7) == 0 && len > 7) ||
	    (strncmp(text, "https://", 8) == 0 && len > 8))
		return true;
	free(source->url);
	source->url = NULL;
	return false;
}

/* ---- In a thread --------------------------------------------------------------------------- */

static void remark(struct worker *worker, const char *text)
{
	struct fetch *fetch = worker->fetch;

	pthread_mutex_lock(&fetch->lock);
	xgrow(fetch->remarks, fetch->cap_remarks, fetch->n_remarks + 1);
	fetch->remarks[fetch->n_remarks++] =
		xasprintf("no heap dump from %s: %s", worker->source->url, text);
	pthread_mutex_unlock(&fetch->lock);
	eventfd_write(fetch->wake_fd, 1);
}

static bool is_stopped(struct fetch *fetch)
{
	bool stop;

	pthread_mutex_lock(&fetch->lock);
	stop = fetch->stop;
	pthread_mutex_unlock(&fetch->lock);
	return stop;
}

static size_t take_bytes(char *bytes, size_t size, size_t n, void *context)
{
	struct buffer *body = context;

	if (size * n > FETCH_MAX_BYTES - body->len)
		return 0;
	buffer_append(body, bytes, size * n);
	return size * n;
}

static int watch_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
			  curl_off_t up_now)
{
	(void)total, (void)now, (void)up_total, (void)up_now;
	return is_stopped(context);
}

static CURL *prepare(struct worker *worker, struct buffer *body, char *message)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		return NULL;
	curl_easy_setopt(curl, CURLOPT_URL, worker->source->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, worker->fetch);
	return curl;
}

/* Keeps a body, or says why not. */
static void keep(struct worker *worker, struct buffer *body)
{
	struct fetch *fetch = worker->fetch;
	bool fits;

	pthread_mutex_lock(&fetch->lock);
	fits = body->len <= FETCH_MAX_BYTES - fetch->bytes;
	if (fits) {
		xgrow(fetch->dumps, fetch->cap_dumps, fetch->n_dumps + 1);
		fetch->dumps[fetch->n_dumps++] = (struct fetched){
			.time = watch_now(),
			.url = worker->source->url,
			.body = *body,
		};
		fetch->bytes += body->len;
		*body = (struct buffer){0};
	}
	pthread_mutex_unlock(&fetch->lock);
	if (!fits)
		remark(worker, "those before it fill the 256 MiB that are kept");
}

/* One request. False: nothing listens there yet, which is not worth a word (quietly). */
static bool fetch_one(struct worker *worker, bool quietly)
{
	char message[CURL_ERROR_SIZE] = "";
	struct buffer body = {0};
	CURL *curl = prepare(worker, &body, message);
	CURLcode code = curl ? curl_easy_perform(curl) : CURLE_FAILED_INIT;
	bool refused = code == CURLE_COULDNT_CONNECT;

	if (curl)
		curl_easy_cleanup(curl);
	if (!code)
		keep(worker, &body);
	else if (code == worker->failure || (refused && quietly))
		;
	else if (code == CURLE_WRITE_ERROR)
		remark(worker, "it is larger than 256 MiB");
	else if (code == CURLE_ABORTED_BY_CALLBACK)
		remark(worker, "the recording ended before it was complete");
	else
		remark(worker, *message ? message : curl_easy_strerror(code));
	if (!(refused && quietly))
		worker->failure = code;
	buffer_free(&body);
	if (!(refused && quietly))
		worker->tried++;
	return !(refused && quietly);
}

/* Until the time, or until the end is asked for; false: at once. */
static bool sleep_until(struct fetch *fetch, uint64_t time, bool *last)
{
	struct timespec at = {(time_t)(time / 1000000000), (long)(time % 1000000000)};
	bool stop;

	pthread_mutex_lock(&fetch->lock);
	while (!fetch->stop && !fetch->last && watch_now() < time) {
		if (time == UINT64_MAX)
			pthread_cond_wait(&fetch->changed, &fetch->lock);
		else
			pthread_cond_timedwait(&fetch->changed, &fetch->lock, &at);
	}
	*last = fetch->last;
	stop = fetch->stop;
	pthread_mutex_unlock(&fetch->lock);
	return !stop;
}

/* A server that starts with the recording is given time to listen. */
static bool first_dump(struct worker *worker, uint64_t start, bool *last)
{
	uint64_t patience =
		worker->source->every < PATIENCE_NS ? worker->source->every : PATIENCE_NS;

	*last = false;
	while (!fetch_one(worker, watch_now() - start < patience)) {
		if (!sleep_until(worker->fetch, watch_now() + RETRY_NS, last))
			return false;
		if (*last)
			return true;
	}
	return true;
}

static void *run_worker(void *context)
{
	struct worker *worker = context;
	struct fetch *fetch = worker->fetch;
	uint64_t every = worker->source->every, start = watch_now(), next = start;
	bool last = false, goes_on = !every || first_dump(worker, start, &last);

	while (goes_on && !last) {
		uint64_t now = watch_now();

		if (every)
			next += (now > next ? (now - next) / every + 1 : 1) * every;
		goes_on = sleep_until(fetch, every ? next : UINT64_MAX, &last);
		if (goes_on && !last)
			fetch_one(worker, false);
	}
	if (goes_on)
		fetch_one(worker, false);
	else if (!worker->tried)
		remark(worker, every ? "the program ended before it listened"
				     : "the program ended by itself, and it was to be fetched at "
				       "the end of the recording; give an interval: URL@30s");
	pthread_mutex_lock(&fetch->lock);
	fetch->idle++;
	pthread_mutex_unlock(&fetch->lock);
	eventfd_write(fetch->wake_fd, 1);
	return NULL;
}

/* ---- From outside -------------------------------------------------------------------------- */

struct error *fetch_start(const struct fetch_source *sources, size_t n, struct fetch **out)
{
	struct fetch *fetch = xcalloc(1, sizeof(*fetch));
	pthread_condattr_t attr;
	int errnum = 0;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&fetch->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&fetch->changed, &attr);
	pthread_condattr_destroy(&attr);
	fetch->workers = xcalloc(n, sizeof(*fetch->workers));
	fetch->n_workers = n;
	fetch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fetch->wake_fd < 0)
		errnum = errno;
	for (size_t i = 0; i < n && !errnum; i++) {
		struct worker *worker = &fetch->workers[i];

		worker->fetch = fetch;
		worker->source = &sources[i];
		errnum = pthread_create(&worker->thread, NULL, run_worker, worker);
		worker->started = !errnum;
	}
	if (errnum) {
		fetch_free(fetch);
		return error_errno(errnum, "cannot start a thread that fetches heap dumps");
	}
	*out = fetch;
	return NULL;
}

int fetch_fd(const struct fetch *fetch)
{
	return fetch->wake_fd;
}

char **fetch_remarks(struct fetch *fetch, size_t *n)
{
	eventfd_t count;
	char **remarks;

	eventfd_read(fetch->wake_fd, &count);
	pthread_mutex_lock(&fetch->lock);
	remarks = fetch->remarks;
	*n = fetch->n_remarks;
	fetch->remarks = NULL;
	fetch->n_remarks = fetch->cap_remarks = 0;
	pthread_mutex_unlock(&fetch->lock);
	return remarks;
}

void fetch_last(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->lock);
	fetch->last = true;
	pthread_cond_broadcast(&fetch->changed);
	pthread_mutex_unlock(&fetch->lock);
}

bool fetch_idle(struct fetch *fetch)
{
	bool idle;

	pthread_mutex_lock(&fetch->lock);
	idle = fetch->idle == fetch->n_workers;
	pthread_mutex_unlock(&fetch->lock);
	return idle;
}

void fetch_stop(struct fetch *fetch)
{
	pthread_mutex_lock(&fetch->lock);
	fetch->stop = true;
	pthread_cond_broadcast(&fetch->changed);
	pthread_mutex_unlock(&fetch->lock);
	for (size_t i = 0; i < fetch->n_workers; i++) {
		if (fetch->workers[i].started)
			pthread_join(fetch->workers[i].thread, NULL);
		fetch->workers[i].started = false;
	}
}

/* Guarded by lock. */
static void drop(struct fetch *fetch, uint64_t before)
{
	size_t kept = 0;

	for (size_t i = 0; i < fetch->n_dumps; i++) {
		if (fetch->dumps[i].time >= before) {
			fetch->dumps[kept++] = fetch->dumps[i];
			continue;
		}
		fetch->bytes -= fetch->dumps[i].body.len;
		buffer_free(&fetch->dumps[i].body);
	}
	fetch->n_dumps = kept;
}

size_t fetch_take(struct fetch *fetch, uint32_t pid, struct buffer *out)
{
	struct dump *dumps;
	size_t n;

	pthread_mutex_lock(&fetch->lock);
	n = fetch->n_dumps;
	dumps = xcalloc(n + 1, sizeof(*dumps));
	for (size_t i = 0; i < n; i++) {
		const struct fetched *from = &fetch->dumps[i];

		dumps[i] =
			(struct dump){pid, from->time, from->url, from->body.data, from->body.len};
	}
	if (n)
		dumps_encode(out, dumps, n);
	drop(fetch, UINT64_MAX);
	pthread_mutex_unlock(&fetch->lock);
	free(dumps);
	return n;
}

void fetch_forget(struct fetch *fetch, uint64_t before)
{
	pthread_mutex_lock(&fetch->lock);
	drop(fetch, before);
	pthread_mutex_unlock(&fetch->lock);
}

void fetch_free(struct fetch *fetch)
{
	if (!fetch)
		return;
	fetch_stop(fetch);
	for (size_t i = 0; i < fetch->n_dumps; i++)
		buffer_free(&fetch->dumps[i].body);
	for (size_t i = 0; i < fetch->n_remarks; i++)
		free(fetch->remarks[i]);
	free(fetch->dumps);
	free(fetch->remarks);
	free(fetch->workers);
	if (fetch->wake_fd >= 0)
		close(fetch->wake_fd);
	pthread_cond_destroy(&fetch->changed);
	pthread_mutex_destroy(&fetch->lock);
	free(fetch);
	curl_global_cleanup();
}
