/*
 * Requests without a client: what nginx itself wants to ask of one of its locations.
 *
 * nginx makes a request of a connection, so there is one, without a socket. It is made and freed here alone: the functions of
 * nginx that end a client's connection must never see it.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


static void
mcp_ignore_event(ngx_event_t *ev)
{
    (void) ev;
}


/* A request in the given location, held by its maker; NULL when there is no connection or memory left. */
ngx_http_request_t *
mcp_create_detached(ngx_http_conf_ctx_t *conf)
{
    ngx_log_t              *log;
    ngx_pool_t             *pool;
    struct sockaddr        *sockaddr;
    ngx_connection_t       *c, *saved;
    ngx_table_elt_t        *accept;
    ngx_http_request_t     *r;
    ngx_http_log_ctx_t     *ctx;
    ngx_http_connection_t  *hc;

    /* Some event methods note a connection by its descriptor: 0 is lent for the moment. */
    saved = ngx_cycle->files ? ngx_cycle->files[0] : NULL;
    c = ngx_get_connection(0, ngx_cycle->log);
    if (ngx_cycle->files) {
        ngx_cycle->files[0] = saved;
    }
    if (c == NULL) {
        return NULL;
    }

    c->fd = (ngx_socket_t) -1;
    r = NULL;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        goto failed;
    }

    log = ngx_pcalloc(pool, sizeof(ngx_log_t));
    ctx = ngx_pcalloc(pool, sizeof(ngx_http_log_ctx_t));
    hc = ngx_pcalloc(pool, sizeof(ngx_http_connection_t));
    sockaddr = ngx_pcalloc(pool, sizeof(struct sockaddr));
    if (log == NULL || ctx == NULL || hc == NULL || sockaddr == NULL) {
        goto failed;
    }

    *log = *ngx_cycle->log;
    log->handler = NULL;
    log->data = ctx;
    ctx->connection = c;
    hc->conf_ctx = conf;

    c->pool = pool;
    c->log = log;
    c->log_error = NGX_ERROR_INFO;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->sockaddr = sockaddr;
    c->socklen = sizeof(struct sockaddr);
    c->local_sockaddr = sockaddr;
    c->local_socklen = sizeof(struct sockaddr);
    c->data = hc;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;

    /* Nothing is ever to be watched, and whatever is to be sent may be sent at once. */
    c->read->log = log;
    c->read->handler = mcp_ignore_event;
    c->read->active = 1;
    c->write->log = log;
    c->write->handler = mcp_ignore_event;
    c->write->active = 1;
    c->write->ready = 1;

    r = ngx_http_create_request(c);
    if (r == NULL) {
        goto failed;
    }

    c->data = r;
    r->logged = 1;
    r->method = NGX_HTTP_GET;
    ngx_str_set(&r->method_name, "GET ");
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    ngx_str_set(&r->uri, "/");
    r->unparsed_uri = r->uri;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 1, sizeof(ngx_table_elt_t)) != NGX_OK) {
        goto failed;
    }
    accept = ngx_list_push(&r->headers_in.headers);
    if (accept == NULL) {
        goto failed;
    }
    ngx_memzero(accept, sizeof(ngx_table_elt_t));
    accept->hash = 1;
    ngx_str_set(&accept->key, "Accept");
    ngx_str_set(&accept->value, "text/event-stream");
    accept->lowcase_key = (u_char *) "accept";
#if (NGX_HTTP_HEADERS)
    r->headers_in.accept = accept;
#endif

    return r;

failed:

    if (r) {
        ngx_http_free_request(r, 0);
    }
    c->destroyed = 1;
    c->fd = 0;
    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
    if (pool) {
        ngx_destroy_pool(pool);
    }
    return NULL;
}


/* Ends a request and whatever still runs for it. */
void
mcp_free_detached(ngx_http_request_t *r)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = r->connection;
    pool = c->pool;

    ngx_http_free_request(r, 0);

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }
    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }
    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }
    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }
    c->read->closed = 1;
    c->write->closed = 1;
    c->destroyed = 1;

    c->fd = 0;
    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
    ngx_destroy_pool(pool);
}
