/*
 * Requests that come on no client's connection: what nginx itself asks of one of its locations, and what a client sends by
 * another way than a request of its own.
 *
 * nginx makes a request of a connection, so each has one, as the streams of HTTP/2 do. Its descriptor is a socket that is
 * connected to nothing and never watched; it makes the connection one that nginx can end like any other.
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>


/* Of no version of HTTP: nginx sends no header then, and the body as it is. */
#define MCP_NO_HTTP  0


typedef struct {
    /* What r->http_connection is. */
    ngx_http_connection_t  http;
    /* Who hears the response; NULL: nobody. */
    void                  *line;
} mcp_http_connection_t;


static ngx_connection_t *mcp_open_connection(ngx_connection_t *client);
static ngx_int_t mcp_copy_client(ngx_connection_t *c, ngx_connection_t *client);
static struct sockaddr *mcp_copy_address(ngx_pool_t *pool, struct sockaddr *address, socklen_t length);
static ngx_int_t mcp_copy_string(ngx_pool_t *pool, ngx_str_t *copy, ngx_str_t *string);
static void mcp_run_inner(ngx_event_t *ev);

ngx_int_t mcp_know_headers(ngx_http_request_t *r);
void mcp_free_detached(ngx_http_request_t *r);


/* Of inner.rs. */
ngx_chain_t *mcp_inner_send_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit);
void mcp_inner_over(void *line);


static void
mcp_ignore_event(ngx_event_t *ev)
{
    (void) ev;
}


static ssize_t
mcp_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    (void) buf;
    (void) size;

    c->read->ready = 0;
    return NGX_AGAIN;
}


static ssize_t
mcp_recv_chain(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    (void) in;
    (void) limit;

    c->read->ready = 0;
    return NGX_AGAIN;
}


/* A connection with nobody at its other end; what is known of a client's is known of it, too. */
static ngx_connection_t *
mcp_open_connection(ngx_connection_t *client)
{
    ngx_log_t              *log;
    ngx_pool_t             *pool;
    ngx_socket_t            s;
    ngx_connection_t       *c;
    ngx_http_log_ctx_t     *ctx;

    s = ngx_socket(AF_UNIX, SOCK_STREAM, 0);
    if (s == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, ngx_socket_errno, ngx_socket_n " failed");
        return NULL;
    }

    c = ngx_get_connection(s, ngx_cycle->log);
    if (c == NULL) {
        if (ngx_close_socket(s) == -1) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_socket_errno, ngx_close_socket_n " failed");
        }
        return NULL;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        goto failed;
    }
    c->pool = pool;

    log = ngx_palloc(pool, sizeof(ngx_log_t));
    ctx = ngx_pcalloc(pool, sizeof(ngx_http_log_ctx_t));
    if (log == NULL || ctx == NULL) {
        goto failed;
    }

    *log = client ? *client->log : *ngx_cycle->log;
    log->handler = client ? client->log->handler : NULL;
    log->data = ctx;
    log->action = NULL;
    ctx->connection = c;

    c->log = log;
    c->log_error = NGX_ERROR_INFO;
    c->type = SOCK_STREAM;
    c->number = client ? client->number : ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;
    c->recv = mcp_recv;
    c->recv_chain = mcp_recv_chain;
    c->send_chain = mcp_inner_send_chain;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
    c->sndlowat = 1;

    /* The end of the response is handed on as well. */
    c->need_last_buf = 1;

    /* Nothing is ever to be watched, and whatever is to be sent may be sent at once. */
    c->read->log = log;
    c->read->handler = mcp_ignore_event;
    c->read->active = 1;
    c->write->log = log;
    c->write->handler = mcp_ignore_event;
    c->write->active = 1;
    c->write->ready = 1;

    if (mcp_copy_client(c, client) == NGX_OK) {
        return c;
    }

failed:

    /* nginx's function wants a pool. */
    if (c->pool) {
        ngx_http_close_connection(c);
        return NULL;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif
    ngx_close_connection(c);
    return NULL;
}


/* All is copied: the client's connection may be gone before this one is. */
static ngx_int_t
mcp_copy_client(ngx_connection_t *c, ngx_connection_t *client)
{
    ngx_pool_t            *pool;
    ngx_proxy_protocol_t  *proxy;

    pool = c->pool;

    if (client == NULL) {
        c->sockaddr = ngx_pcalloc(pool, sizeof(struct sockaddr));
        if (c->sockaddr == NULL) {
            return NGX_ERROR;
        }
        c->socklen = sizeof(struct sockaddr);
        c->local_sockaddr = c->sockaddr;
        c->local_socklen = c->socklen;
        return NGX_OK;
    }

    c->listening = client->listening;

    c->sockaddr = mcp_copy_address(pool, client->sockaddr, client->socklen);
    if (c->sockaddr == NULL || mcp_copy_string(pool, &c->addr_text, &client->addr_text) != NGX_OK) {
        return NGX_ERROR;
    }
    c->socklen = client->socklen;

    /* A wildcard says nothing of where the client came in, and this connection's own socket even less. */
    if (ngx_connection_local_sockaddr(client, NULL, 0) != NGX_OK) {
        return NGX_ERROR;
    }
    c->local_sockaddr = mcp_copy_address(pool, client->local_sockaddr, client->local_socklen);
    if (c->local_sockaddr == NULL) {
        return NGX_ERROR;
    }
    c->local_socklen = client->local_socklen;

    if (client->proxy_protocol) {
        proxy = ngx_pcalloc(pool, sizeof(ngx_proxy_protocol_t));
        if (proxy == NULL
            || mcp_copy_string(pool, &proxy->src_addr, &client->proxy_protocol->src_addr) != NGX_OK
            || mcp_copy_string(pool, &proxy->dst_addr, &client->proxy_protocol->dst_addr) != NGX_OK)
        {
            return NGX_ERROR;
        }
        proxy->src_port = client->proxy_protocol->src_port;
        proxy->dst_port = client->proxy_protocol->dst_port;
#if (nginx_version >= 1023002)
        if (mcp_copy_string(pool, &proxy->tlvs, &client->proxy_protocol->tlvs) != NGX_OK) {
            return NGX_ERROR;
        }
#endif
        c->proxy_protocol = proxy;
    }

    return NGX_OK;
}


static struct sockaddr *
mcp_copy_address(ngx_pool_t *pool, struct sockaddr *address, socklen_t length)
{
    struct sockaddr  *copy;

    copy = ngx_palloc(pool, length);
    return copy ? memcpy(copy, address, length) : NULL;
}


static ngx_int_t
mcp_copy_string(ngx_pool_t *pool, ngx_str_t *copy, ngx_str_t *string)
{
    copy->len = string->len;
    copy->data = NULL;

    if (string->len == 0) {
        return NGX_OK;
    }

    copy->data = ngx_pstrdup(pool, string);
    return copy->data ? NGX_OK : NGX_ERROR;
}


/* A request that is not logged, on a connection of its own; what is known of the client's is known of it, too. */
static ngx_http_request_t *
mcp_create_request(ngx_http_request_t *client, ngx_http_conf_ctx_t *conf)
{
    ngx_connection_t       *c;
    ngx_http_request_t     *r;
    mcp_http_connection_t  *hc;

    c = mcp_open_connection(client ? client->connection : NULL);
    if (c == NULL) {
        return NULL;
    }

    hc = ngx_pcalloc(c->pool, sizeof(mcp_http_connection_t));
    if (hc == NULL) {
        goto failed;
    }
    hc->http.conf_ctx = conf;

    if (client) {
        hc->http.addr_conf = client->http_connection->addr_conf;
#if (NGX_HTTP_SSL || NGX_COMPAT)
        if (client->http_connection->ssl_servername) {
            hc->http.ssl_servername = ngx_palloc(c->pool, sizeof(ngx_str_t));
            if (hc->http.ssl_servername == NULL
                || mcp_copy_string(c->pool, hc->http.ssl_servername, client->http_connection->ssl_servername) != NGX_OK)
            {
                goto failed;
            }
        }
#if (NGX_PCRE)
        hc->http.ssl_servername_regex = client->http_connection->ssl_servername_regex;
#endif
#endif
    }

    c->data = hc;
    r = ngx_http_create_request(c);
    if (r == NULL) {
        goto failed;
    }
    c->data = r;
    r->logged = 1;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 20, sizeof(ngx_table_elt_t)) == NGX_OK) {
        return r;
    }

    ngx_http_free_request(r, 0);

failed:

    ngx_http_close_connection(c);
    return NULL;
}


/* Adds a header line, before the request runs. */
ngx_int_t
mcp_add_header(ngx_http_request_t *r, ngx_str_t *key, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    /* The zero at the end is what nginx's own parser leaves there. */
    h->key.len = key->len;
    h->key.data = ngx_pnalloc(r->pool, 2 * key->len + value->len + 2);
    if (h->key.data == NULL) {
        return NGX_ERROR;
    }
    *ngx_cpymem(h->key.data, key->data, key->len) = '\0';

    h->lowcase_key = h->key.data + key->len + 1;
    h->hash = ngx_hash_strlow(h->lowcase_key, key->data, key->len);

    h->value.len = value->len;
    h->value.data = h->lowcase_key + key->len;
    *ngx_cpymem(h->value.data, value->data, value->len) = '\0';

    return NGX_OK;
}


#if (NGX_HTTP_SSL)

/* Not in every nginx that has OpenSSL inside of it: then there are no $ssl_ variables. */
#pragma weak SSL_up_ref


/* The client's TLS is known to variables as long as the request lives, and is never used to send anything. */
static void
mcp_forget_ssl(void *data)
{
    ngx_connection_t  *c = data;

    SSL_free(c->ssl->connection);
    c->ssl = NULL;
}


static ngx_int_t
mcp_copy_ssl(ngx_http_request_t *r, ngx_connection_t *client)
{
    ngx_connection_t      *c;
    ngx_pool_cleanup_t    *cln;
    ngx_ssl_connection_t  *ssl;

    if (client->ssl == NULL || &SSL_up_ref == NULL) {
        return NGX_OK;
    }

    c = r->connection;
    cln = ngx_pool_cleanup_add(r->pool, 0);
    ssl = ngx_pcalloc(c->pool, sizeof(ngx_ssl_connection_t));
    if (cln == NULL || ssl == NULL || SSL_up_ref(client->ssl->connection) != 1) {
        return NGX_ERROR;
    }

    ssl->connection = client->ssl->connection;
    ssl->session_ctx = client->ssl->session_ctx;
    ssl->handshaked = 1;
    c->ssl = ssl;
    r->http_connection->ssl = 1;

    cln->handler = mcp_forget_ssl;
    cln->data = c;

    return NGX_OK;
}

#endif


/*
 * A request like the given one, without its header lines and its body: `body` is its own. Nothing happens yet. NULL when
 * there is no connection or memory left, else `line` is given back by mcp_inner_over() when nginx is done with the request.
 */
ngx_http_request_t *
mcp_create_inner(ngx_http_request_t *client, ngx_uint_t method, ngx_str_t *method_name, ngx_str_t *body, void *line)
{
    u_char                 *p;
    ngx_buf_t              *b;
    ngx_chain_t            *cl;
    ngx_http_request_t     *r;
    ngx_http_cleanup_t     *cln;
    mcp_http_connection_t  *hc;

    r = mcp_create_request(client, client->http_connection->conf_ctx);
    if (r == NULL) {
        return NULL;
    }

    /* The connection is not used again, nor is anything waited for at its end. */
    r->connection->read->eof = 1;

    r->main_filter_need_in_memory = 1;
    r->http_version = MCP_NO_HTTP;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    r->headers_in.connection_type = NGX_HTTP_CONNECTION_CLOSE;
    r->method = method;
    r->method_name = *method_name;
    r->request_length = body->len;

    /* The URI is read anew: the client's request may be far from where it began. */
    r->request_line.len = method_name->len + 1 + client->unparsed_uri.len + 1 + r->http_protocol.len;
    p = ngx_pnalloc(r->pool, r->request_line.len + 1);
    r->header_in = ngx_create_temp_buf(r->pool, 1);
    if (p == NULL || r->header_in == NULL) {
        goto failed;
    }
    r->request_line.data = p;
    p = ngx_cpymem(p, method_name->data, method_name->len);
    *p++ = ' ';
    r->uri_start = p;
    p = ngx_cpymem(p, client->unparsed_uri.data, client->unparsed_uri.len);
    r->uri_end = p;
    *p++ = ' ';
    p = ngx_cpymem(p, r->http_protocol.data, r->http_protocol.len);
    *p = '\0';

    /* It was read before, so that nginx will not wait for it. */
    r->headers_in.content_length_n = body->len ? (off_t) body->len : -1;
    r->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (r->request_body == NULL) {
        goto failed;
    }
    if (body->len) {
        b = ngx_create_temp_buf(r->pool, body->len);
        cl = ngx_alloc_chain_link(r->pool);
        if (b == NULL || cl == NULL) {
            goto failed;
        }
        b->last = ngx_cpymem(b->last, body->data, body->len);
        b->last_buf = 1;
        cl->buf = b;
        cl->next = NULL;
        r->request_body->bufs = cl;
    }

#if (NGX_HTTP_SSL)
    if (mcp_copy_ssl(r, client->connection) != NGX_OK) {
        goto failed;
    }
#endif

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        goto failed;
    }
    cln->handler = mcp_inner_over;
    cln->data = line;
    hc = (mcp_http_connection_t *) r->http_connection;
    hc->line = line;
    r->logged = 0;

    return r;

failed:

    mcp_free_detached(r);
    return NULL;
}


/* Runs the request as if it had just been read, but not from within what runs now. */
void
mcp_start_inner(ngx_http_request_t *r)
{
    r->connection->read->handler = mcp_run_inner;
    ngx_post_event(r->connection->read, &ngx_posted_events);
}


/* Does with the header lines what nginx does when it has read them. What fails has ended the request. */
ngx_int_t
mcp_know_headers(ngx_http_request_t *r)
{
    ngx_uint_t                  i;
    ngx_list_part_t            *part;
    ngx_table_elt_t            *h;
    ngx_http_header_t          *hh;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_get_module_main_conf(r, ngx_http_core_module);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;
        for (i = 0; i < part->nelts; i++) {
            hh = ngx_hash_find(&cmcf->headers_in_hash, h[i].hash, h[i].lowcase_key, h[i].key.len);
            if (hh && hh->handler(r, &h[i], hh->offset) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static void
mcp_run_inner(ngx_event_t *ev)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ev->data;
    r = c->data;

    ev->handler = mcp_ignore_event;
    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    c->log->action = "processing a message of a client";

    /* What fails in nginx's functions has ended the request. */

    if (c->error || c->close) {
        ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
        goto done;
    }

    if (ngx_http_parse_uri(r) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_BAD_REQUEST);
        goto done;
    }

    if (ngx_http_process_request_uri(r) != NGX_OK) {
        goto done;
    }

    if (mcp_know_headers(r) != NGX_OK) {
        goto done;
    }

    ngx_http_process_request(r);

done:

    ngx_http_run_posted_requests(c);
}


/* Who hears the response to a request; NULL for one that came on a client's connection. */
void *
mcp_inner_line(ngx_http_request_t *r)
{
    if (r->connection->send_chain != mcp_inner_send_chain) {
        return NULL;
    }

    return ((mcp_http_connection_t *) r->http_connection)->line;
}


/* Whoever waits for the response is gone: what runs for the request ends as if the client had closed its connection. */
void
mcp_leave_inner(ngx_connection_t *c)
{
    c->error = 1;
    c->read->pending_eof = 1;
    ngx_post_event(c->read, &ngx_posted_events);
}


/* What was not taken of the response is to be offered again. */
void
mcp_resume_inner(ngx_connection_t *c)
{
    if (!c->write->ready) {
        c->write->ready = 1;
        ngx_post_event(c->write, &ngx_posted_events);
    }
}


/*
 * A request in the given location, held by its maker; what is known of the client of another one is known of it, too, if one is given. NULL when
 * there is no connection or memory left.
 */
ngx_http_request_t *
mcp_create_detached(ngx_http_conf_ctx_t *conf, ngx_http_request_t *client)
{
    ngx_str_t            name, value;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    /* A subrequest knows nothing of the connection but by the client's own. */
    r = mcp_create_request(client ? client->main : NULL, conf);
    if (r == NULL) {
        return NULL;
    }
    c = r->connection;

    /* Like nginx's channel to the master, some are open for as long as the worker lives. */
    c->read->channel = 1;
    c->write->channel = 1;

    r->method = NGX_HTTP_GET;
    ngx_str_set(&r->method_name, "GET ");
    r->http_version = NGX_HTTP_VERSION_11;
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    ngx_str_set(&r->uri, "/");
    r->unparsed_uri = r->uri;

    ngx_str_set(&name, "Accept");
    ngx_str_set(&value, "text/event-stream");
    if (mcp_add_header(r, &name, &value) != NGX_OK) {
        mcp_free_detached(r);
        return NULL;
    }
#if (NGX_HTTP_HEADERS)
    r->headers_in.accept = r->headers_in.headers.part.elts;
#endif

#if (NGX_HTTP_SSL)
    if (client && mcp_copy_ssl(r, client->connection) != NGX_OK) {
        mcp_free_detached(r);
        return NULL;
    }
#endif

    return r;
}


/* Ends a request and whatever still runs for it. */
void
mcp_free_detached(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;
    ngx_http_free_request(r, 0);
    ngx_http_close_connection(c);
}
