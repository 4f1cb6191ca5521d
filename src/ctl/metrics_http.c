/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* /metrics for Prometheus, /livez and /readyz for orchestrators, / to look. */
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>

#include "base/log.h"
#include "ctl/ctl.h"

#define HEADERS_MAX 8192
#define BODY_MAX 1024
#define TIMEOUT_SECONDS 5

static void
answer(struct evhttp_request *rq, int code, const char *type, struct slice text)
{
	struct evkeyvalq *h = evhttp_request_get_output_headers(rq);
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	(void)evhttp_add_header(h, "Content-Type", type);
	(void)evhttp_add_header(h, "Cache-Control", "no-store");
	(void)evbuffer_add(out, text.p, text.len);
	evhttp_send_reply(rq, code, code == 200 ? "OK" : "Unavailable", NULL);
}

static void
on_metrics(struct evhttp_request *rq, void *ctx)
{
	struct metrics *sum = calloc(1, sizeof(*sum));
	struct buf out;

	buf_init(&out, CTL_REPLY_MAX);
	if (sum != NULL)
		ctl_sum(ctx, sum);
	if (sum == NULL || metrics_prometheus(&out, sum) == -1)
		answer(rq, 503, "text/plain", SLICE_LIT("out of memory\n"));
	else
		answer(rq, 200, "text/plain; version=0.0.4; charset=utf-8",
		    buf_slice(&out));
	buf_free(&out);
	free(sum);
}

static void
on_page(struct evhttp_request *rq, void *ctx)
{
	struct metrics *sum = calloc(1, sizeof(*sum));
	struct buf out;

	buf_init(&out, CTL_REPLY_MAX);
	if (sum != NULL)
		ctl_sum(ctx, sum);
	if (sum == NULL || status_page(&out, ctx, sum) == -1)
		answer(rq, 503, "text/plain", SLICE_LIT("out of memory\n"));
	else
		answer(rq, 200, "text/plain; charset=utf-8", buf_slice(&out));
	buf_free(&out);
	free(sum);
}

static void
on_livez(struct evhttp_request *rq, void *ctx)
{
	(void)ctx;
	answer(rq, 200, "text/plain; charset=utf-8", SLICE_LIT("ok\n"));
}

static void
on_readyz(struct evhttp_request *rq, void *ctx)
{
	const char *why = ctl_not_ready(ctx);

	if (why[0] == '\0')
		answer(rq, 200, "text/plain; charset=utf-8", SLICE_LIT("ok\n"));
	else
		answer(rq, 503, "text/plain; charset=utf-8", slice_of(why));
}

static void
on_other(struct evhttp_request *rq, void *ctx)
{
	(void)ctx;
	evhttp_send_error(rq, HTTP_NOTFOUND, "Not Found");
}

/* All descriptors are in use: it must not spin until some are free. */
static void
on_accept_error(struct evconnlistener *listener, void *ctx)
{
	(void)ctx;
	(void)evconnlistener_disable(listener);
	log_warn("metrics-busy", "why=\"no descriptor for a connection\"");
}

void
metrics_http_resume(struct ctl *c)
{
	if (c->http_listener != NULL)
		(void)evconnlistener_enable(c->http_listener);
}

int
metrics_http_listen(struct ctl *c, int fd)
{
	struct evhttp_bound_socket *bound;

	c->http = evhttp_new(c->base);
	if (c->http == NULL) {
		(void)close(fd);
		return -1;
	}
	evhttp_set_allowed_methods(c->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(c->http, HEADERS_MAX);
	evhttp_set_max_body_size(c->http, BODY_MAX);
	evhttp_set_timeout(c->http, TIMEOUT_SECONDS);
	if (evhttp_set_cb(c->http, "/", on_page, c) != 0 ||
	    evhttp_set_cb(c->http, "/metrics", on_metrics, c) != 0 ||
	    evhttp_set_cb(c->http, "/livez", on_livez, c) != 0 ||
	    evhttp_set_cb(c->http, "/readyz", on_readyz, c) != 0)
		return -1;
	evhttp_set_gencb(c->http, on_other, c);
	bound = evhttp_accept_socket_with_handle(c->http, fd);
	if (bound == NULL)
		return -1;
	c->http_listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(c->http_listener, on_accept_error);
	return 0;
}

void
metrics_http_free(struct ctl *c)
{
	if (c->http != NULL)
		evhttp_free(c->http);
}
